#!/bin/sh
# Builds a stock Debian 12 cloud image: mmdebstrap's result on one ext4
# partition (GPT), with Debian's own GRUB, cloud-init and sshd. What is written
# into it here is only what an installer would write: fstab, the boot menu, and
# nothing that would be the same on two machines.
#
#   packages   what goes in
#   $OUT/debian-12/{disk.qcow2,image.json}
IMAGE_NAME=debian-12
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/disk.sh"

# Content is about 520 MiB; cloud-init grows the rest at first boot.
ROOT_MIB=960
ROOT_UUID=64656269-616e-4031-8200-000000000001
MIN_DISK_GIB=2
KERNEL_ARGS="console=tty0 console=ttyS0,115200 consoleblank=0"
SOURCE_DATE_EPOCH=1735689600
GRUB_PREFIX='(hd0,gpt2)/boot/grub'
export SOURCE_DATE_EPOCH

listed() { sed 's/#.*//' "$RECIPE_DIR/packages" | grep .; }

compare_packages() {
    say "asking Debian $DEBIAN_SUITE for package versions"
    apt_begin
    # Word splitting of the package list is meant.
    # shellcheck disable=SC2046
    apt_versions $(listed) >"$WORK/versions"
    [ "$(wc -l <"$WORK/versions")" = "$(listed | wc -l)" ] || die "Debian $DEBIAN_SUITE lacks some of the packages"
    image_skip_if_same_packages <"$WORK/versions"
}

bootstrap() {
    ROOT=$WORK/root
    say "installing $(listed | wc -l) packages and what they need (about a minute)"
    # The package grub-pc must not look for a disk to write on.
    mmdebstrap --quiet --mode=root --variant=minbase --format=directory \
        --include="$(listed | paste -sd,)" \
        --essential-hook='echo grub-pc grub-pc/install_devices_empty boolean true | chroot "$1" debconf-set-selections' \
        "$DEBIAN_SUITE" "$ROOT" "$APT/etc/sources.list" >"$WORK/mmdebstrap.log" 2>&1 9>&- ||
        die "mmdebstrap: $(tail -n 20 "$WORK/mmdebstrap.log")"
    say "installed: $(grep -c '^Status: install ok' "$ROOT/var/lib/dpkg/status") packages, $(du -sm "$ROOT" | cut -f1) MiB"
}

# Takes away what must differ between two machines, as an image builder does.
generalize() {
    rm -f "$ROOT"/etc/ssh/ssh_host_*_key* "$ROOT/var/lib/dbus/machine-id" "$ROOT/var/lib/systemd/random-seed"
    : >"$ROOT/etc/machine-id"
    echo localhost >"$ROOT/etc/hostname"
    printf '127.0.0.1\tlocalhost\n::1\t\tlocalhost ip6-localhost ip6-loopback\n' >"$ROOT/etc/hosts"
    # As Debian's installer does; cloud-init keeps a locale that is set.
    echo LANG=C.UTF-8 >"$ROOT/etc/default/locale"
    ln -sf ../run/systemd/resolve/stub-resolv.conf "$ROOT/etc/resolv.conf"
    # mmdebstrap notes the build's own source list; the guest gets the mirror.
    printf 'deb %s %s main\ndeb %s %s-updates main\ndeb %s %s-security main\n' \
        "$DEBIAN_MIRROR" "$DEBIAN_SUITE" "$DEBIAN_MIRROR" "$DEBIAN_SUITE" "$DEBIAN_SECURITY" "$DEBIAN_SUITE" \
        >"$ROOT/etc/apt/sources.list"
    rm -f "$ROOT"/etc/apt/sources.list.d/*.list
}

# fstab and the boot menu. The menu names the links that Debian's kernel package
# keeps, so it stays right after an upgrade until update-grub replaces it.
make_bootable() {
    echo "UUID=$ROOT_UUID / ext4 rw,discard,errors=remount-ro 0 1" >"$ROOT/etc/fstab"
    sed -i "s|^GRUB_CMDLINE_LINUX=.*|GRUB_CMDLINE_LINUX=\"$KERNEL_ARGS\"|; s|^GRUB_TIMEOUT=.*|GRUB_TIMEOUT=0|" \
        "$ROOT/etc/default/grub"
    mkdir -p "$ROOT/boot/grub/i386-pc"
    cp "$ROOT"/usr/lib/grub/i386-pc/*.mod "$ROOT"/usr/lib/grub/i386-pc/*.lst "$ROOT/boot/grub/i386-pc/"
    [ -e "$ROOT/vmlinuz" ] && [ -e "$ROOT/initrd.img" ] || die "Debian's kernel package left no /vmlinuz and /initrd.img"
    cat >"$ROOT/boot/grub/grub.cfg" <<EOF
set timeout=0
search --no-floppy --fs-uuid --set=root $ROOT_UUID
menuentry 'Debian GNU/Linux' {
    linux /vmlinuz root=UUID=$ROOT_UUID ro $KERNEL_ARGS
    initrd /initrd.img
}
EOF
}

assemble() {
    say "writing the disk"
    disk_root "$ROOT" "$WORK/root.ext4" "$ROOT_MIB" "$ROOT_UUID" ""
    echo 'configfile $prefix/grub.cfg' >"$WORK/grub.cfg"
    GRUB_MODULES=$ROOT/usr/lib/grub/i386-pc
    disk_assemble gpt "$WORK/root.ext4" "$WORK/disk.raw" "$WORK/grub.cfg" \
        biosdisk part_gpt ext2 normal configfile search search_fs_uuid linux boot
    qemu-img convert -q -c -m 4 -W -O qcow2 -o compression_type=zstd "$WORK/disk.raw" "$STAGE/disk.qcow2"
}

describe() {
    manifest_write "  \"name\": \"debian-12\",
  \"title\": \"Debian 12\",
  \"description\": \"Stock Debian 12 (bookworm) with cloud-init, built from Debian's packages\",
  \"platform\": \"linux\",
  \"architecture\": \"x86_64\",
  \"default_user\": \"debian\",
  \"min_disk_gib\": $MIN_DISK_GIB,
  \"virtual_bytes\": $(stat -c %s "$WORK/disk.raw"),
  \"disk\": { \"file\": \"disk.qcow2\", \"format\": \"qcow2\", \"firmware\": \"bios\" }"
}

need_tools apt-get apt-cache mmdebstrap mkfs.ext4 sfdisk grub-mkimage qemu-img flock
image_begin
compare_packages
bootstrap
generalize
make_bootable
assemble
describe
image_finish
