#!/bin/sh
# Builds Pileus Linux: Debian's cloud kernel, busybox, dropbear and the scripts
# in root/ on one ext4 partition that boots itself by BIOS.
#
#   packages  modules  root/  initrd/      what goes in
#   $OUT/pileus-linux/{disk.qcow2,vmlinuz,initrd,image.json}
#
# The disk boots itself, but GRUB reading 14 MB through an emulated BIOS takes
# 4 s of the 6.7 s to user space. QEMU loading the kernel itself takes 1.8 s, so
# kernel and initrd are also given beside the disk.
IMAGE_NAME=pileus-linux
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/disk.sh"

# Content is about 90 MiB; room to write comes from growing at first boot.
ROOT_MIB=192
ROOT_UUID=50494c45-5553-4c49-4e55-580000000001
MIN_DISK_GIB=1
# Under emulation, the kernel's self-tests of its ciphers cost 0.2 s, and the
# removal of lock prefixes for one processor 0.25 s; the hypervisor's timer
# needs no check.
KERNEL_ARGS="root=LABEL=pileus-root console=tty0 console=ttyS0,115200 quiet no_timer_check noreplace-smp cryptomgr.notests random.trust_cpu=on panic=10"
# All times in the image, so that the same packages give the same bytes.
SOURCE_DATE_EPOCH=1735689600
GRUB_PREFIX='(hd0,msdos1)/boot/grub'
export SOURCE_DATE_EPOCH

listed() { sed 's/#.*//' "$RECIPE_DIR/$1" | grep .; }

fetch_packages() {
    say "asking Debian $DEBIAN_SUITE for package versions"
    apt_begin
    kernel_package=$(apt_cloud_kernel)
    [ -n "$kernel_package" ] || die "Debian $DEBIAN_SUITE has no cloud kernel"
    # Word splitting of the package list is meant.
    # shellcheck disable=SC2046
    apt_versions "$kernel_package" $(listed packages) >"$WORK/versions"
    [ "$(wc -l <"$WORK/versions")" = "$(($(listed packages | wc -l) + 1))" ] || die "Debian $DEBIAN_SUITE lacks some of the packages"
    image_skip_if_same_packages <"$WORK/versions"
    say "fetching $(wc -l <"$WORK/versions") packages"
    mkdir "$WORK/debs"
    (cd "$WORK/debs" && apt_run download -qq $(sed 's/ /=/' "$WORK/versions"))
}

# Debian's packages still place files in /lib and /bin, where the image has
# links, so each is unpacked apart and then laid in.
lay_out_root() {
    ROOT=$WORK/root
    mkdir -p "$ROOT/usr/bin" "$ROOT/usr/sbin" "$ROOT/usr/lib" "$ROOT/usr/lib64"
    for name in bin sbin lib lib64; do ln -s "usr/$name" "$ROOT/$name"; done
    for name in boot dev etc home mnt opt proc root run srv sys tmp var/lib/pileus var/log var/tmp var/spool/cron/crontabs; do
        mkdir -p "$ROOT/$name"
    done
    chmod 700 "$ROOT/root" "$ROOT/var/lib/pileus"
    chmod 1777 "$ROOT/tmp" "$ROOT/var/tmp"
    ln -s ../run "$ROOT/var/run"
    for deb in "$WORK"/debs/*.deb; do
        case $deb in */linux-image-*) continue ;; esac
        rm -rf "$WORK/one"
        dpkg-deb -x "$deb" "$WORK/one"
        case $deb in */util-linux_*) keep_only "$WORK/one" usr/bin/resizepart usr/share/doc/util-linux/copyright ;; esac
        for name in bin sbin lib lib64; do
            [ -d "$WORK/one/$name" ] || continue
            mkdir -p "$WORK/one/usr/$name"
            cp -a "$WORK/one/$name/." "$WORK/one/usr/$name/"
            rm -rf "${WORK:?}/one/$name"
        done
        cp -a "$WORK/one/." "$ROOT/"
    done
    cp -R "$RECIPE_DIR/root/." "$ROOT/"
    chmod 640 "$ROOT/etc/shadow"
    prune_root
    busybox_links
    mkdir -p "$ROOT/usr/share/pileus"
    cp "$WORK/versions" "$ROOT/usr/share/pileus/packages"
}

# keep_only FOLDER FILE...: deletes the other files.
keep_only() {
    (
        cd "$1" && shift && for file in "$@"; do echo "./$file"; done >"$WORK/kept"
        find . ! -type d | grep -vxF -f "$WORK/kept" | tr '\n' '\0' | xargs -0 rm -f
        find . -depth -type d -empty -delete
    )
}

# Licences stay; manuals, translations, character set tables and the parts of
# the packages that nothing here starts do not.
prune_root() {
    find "$ROOT/usr/share/doc" -type f ! -name copyright -delete
    find "$ROOT/usr/share/doc" -type l -delete
    find "$ROOT/usr/share/doc" -type d -empty -delete
    for gone in usr/share/man usr/share/locale usr/share/lintian usr/share/initramfs-tools usr/share/bug \
        usr/lib/systemd usr/lib/udev usr/lib/x86_64-linux-gnu/gconv usr/lib/x86_64-linux-gnu/gio usr/lib/x86_64-linux-gnu/audit \
        usr/lib/x86_64-linux-gnu/e2fsprogs etc/cron.d etc/e2scrub.conf usr/sbin/e2scrub usr/sbin/e2scrub_all \
        usr/sbin/debugfs usr/sbin/e4defrag usr/sbin/e2freefrag usr/sbin/filefrag usr/sbin/e2undo \
        usr/share/glib-2.0 usr/share/gettext usr/lib/x86_64-linux-gnu/glib-2.0 etc/qemu etc/init.d/qemu-guest-agent \
        usr/share/apport usr/share/gcc etc/apparmor.d etc/ssh usr/bin/sftp usr/lib/openssh/agent-launch; do
        rm -rf "${ROOT:?}/$gone"
    done
    # Of GLib the guest agent needs the base only.
    rm -f "$ROOT"/usr/lib/x86_64-linux-gnu/libgio-2.0.* "$ROOT"/usr/lib/x86_64-linux-gnu/libgobject-2.0.* \
        "$ROOT"/usr/lib/x86_64-linux-gnu/libgthread-2.0.*
    # All of OpenSSH's client but scp needs libraries that are not here.
    rm -f "$ROOT"/usr/bin/ssh "$ROOT"/usr/bin/ssh-* "$ROOT"/usr/lib/openssh/ssh-*
}

# The commands of busybox, where no package or script of ours has the name.
busybox_links() {
    for name in $("$ROOT/usr/bin/busybox" --list-full); do
        base=${name##*/}
        [ -e "$ROOT/usr/bin/$base" ] || [ -e "$ROOT/usr/sbin/$base" ] ||
            case $name in
            *sbin/*) ln -s ../bin/busybox "$ROOT/usr/sbin/$base" ;;
            *) ln -s busybox "$ROOT/usr/bin/$base" ;;
            esac
    done
    ln -sf ../bin/busybox "$ROOT/usr/sbin/init"
}

# The kernel, the chosen modules with what they depend on, and the initrd.
install_kernel() {
    rm -rf "$WORK/kernel"
    dpkg-deb -x "$WORK"/debs/linux-image-*.deb "$WORK/kernel"
    release=$(basename "$WORK"/kernel/lib/modules/*)
    depmod -b "$WORK/kernel" "$release" 2>/dev/null
    listed modules | cut -d' ' -f2 >"$WORK/wanted"
    files_of_modules "$WORK/wanted" >"$WORK/modules"
    (cd "$WORK/kernel/lib/modules/$release" && cp modules.builtin modules.builtin.modinfo modules.order "$WORK/" &&
        sed "s|.*/lib/modules/$release/||" "$WORK/modules" | cpio -pdm --quiet "$ROOT/usr/lib/modules/$release")
    cp "$WORK"/modules.builtin* "$WORK/modules.order" "$ROOT/usr/lib/modules/$release/"
    depmod -b "$ROOT" "$release"
    listed modules | sed -n 's/^boot //p' >"$ROOT/etc/modules"
    mkdir -p "$ROOT/usr/share/doc/linux-image"
    cp "$WORK"/kernel/usr/share/doc/linux-image-*/copyright "$ROOT/usr/share/doc/linux-image/"
    cp "$WORK/kernel/boot/vmlinuz-$release" "$ROOT/boot/vmlinuz"
    make_initrd
}

# The files of the modules named in file $1 and of what they need, each once,
# needed ones first. Those built into the kernel have none.
files_of_modules() {
    while read -r module; do
        modprobe -d "$WORK/kernel" -S "$release" --show-depends "$module" >>"$WORK/depends" 2>/dev/null ||
            die "the kernel has no module $module"
    done <"$1"
    sed -n 's/^insmod \([^ ]*\).*/\1/p' "$WORK/depends" | awk '!seen[$0]++'
    rm "$WORK/depends"
}

# Busybox and six drivers. zstd costs the guest nothing measurable (gzip 0.05 s).
make_initrd() {
    initrd=$WORK/initrd
    mkdir -p "$initrd/bin" "$initrd/lib" "$initrd/dev" "$initrd/proc" "$initrd/sys" "$initrd/root"
    cp "$ROOT/usr/bin/busybox" "$initrd/bin/busybox"
    early=
    listed modules | sed -n 's/^early //p' >"$WORK/wanted"
    files_of_modules "$WORK/wanted" >"$WORK/early"
    for file in $(cat "$WORK/early"); do
        cp "$file" "$initrd/lib/"
        early="$early $(basename "$file" .ko)"
    done
    sed "s/@EARLY@/${early# }/" "$RECIPE_DIR/initrd/init" >"$initrd/init"
    chmod 755 "$initrd/init"
    set_times "$initrd"
    (cd "$initrd" && find . | LC_ALL=C sort | cpio -o -H newc --quiet --reproducible -R 0:0) | zstd -19 -q -c >"$ROOT/boot/initrd"
}

set_times() { find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +; }

assemble() {
    chown -R 0:0 "$ROOT"
    set_times "$ROOT"
    disk_root "$ROOT" "$WORK/root.ext4" "$ROOT_MIB" "$ROOT_UUID" pileus-root
    # Commands of GRUB's rescue parser: no scripting modules to load.
    cat >"$WORK/grub.cfg" <<EOF
set root=(hd0,msdos1)
linux /boot/vmlinuz $KERNEL_ARGS
initrd /boot/initrd
boot
EOF
    disk_assemble mbr "$WORK/root.ext4" "$WORK/disk.raw" "$WORK/grub.cfg" biosdisk part_msdos ext2 linux boot
    cp "$ROOT/boot/vmlinuz" "$ROOT/boot/initrd" "$STAGE/"
    qemu-img convert -q -c -O qcow2 -o compression_type=zstd "$WORK/disk.raw" "$STAGE/disk.qcow2"
}

describe() {
    manifest_write "  \"name\": \"pileus-linux\",
  \"title\": \"Pileus Linux 1\",
  \"description\": \"Small Linux from Debian 12 packages: root by SSH key seconds after launch\",
  \"platform\": \"linux\",
  \"architecture\": \"x86_64\",
  \"default_user\": \"root\",
  \"min_disk_gib\": $MIN_DISK_GIB,
  \"virtual_bytes\": $(stat -c %s "$WORK/disk.raw"),
  \"disk\": { \"file\": \"disk.qcow2\", \"format\": \"qcow2\", \"firmware\": \"bios\" },
  \"boot\": { \"kernel\": \"vmlinuz\", \"initrd\": \"initrd\", \"cmdline\": \"$KERNEL_ARGS\" }"
}

need_tools apt-get apt-cache dpkg-deb depmod modprobe cpio mkfs.ext4 sfdisk grub-mkimage qemu-img flock zstd
image_begin
fetch_packages
say "laying out the root file system"
lay_out_root
install_kernel
say "root file system: $(du -sm "$ROOT" | cut -f1) MiB"
assemble
describe
image_finish
