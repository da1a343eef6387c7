# shellcheck shell=sh
# Makes a disk that boots by BIOS out of a folder, without mounting anything or
# using a loop device: the file system is made by mkfs.ext4 -d, and GRUB's two
# parts are written at their sectors. Knows nothing of what is in the folder.
#
# Layout, in 512-byte sectors:
#   0            boot.img, and the partition table in its last 66 bytes
#   1 or 2048    core.img: in the gap before the first partition (MBR), or in a
#                BIOS boot partition (GPT)
#   ROOT_START   the ext4 root, last on the disk so that it can grow

SECTOR=512
GRUB_MODULES=/usr/lib/grub/i386-pc

# disk_root FOLDER FILE MIB UUID LABEL: an ext4 image of the folder.
disk_root() {
    truncate -s "$3M" "$2"
    E2FSPROGS_FAKE_TIME=${SOURCE_DATE_EPOCH:?} mkfs.ext4 -q -F -b 4096 -d "$1" -U "$4" -L "$5" -m 1 \
        -E "hash_seed=$4,lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0" "$2" 2>"$WORK/mkfs.log" ||
        die "mkfs.ext4: $(cat "$WORK/mkfs.log")"
}

# disk_assemble TABLE ROOT_FILE DISK CONFIG MODULES...: a partition table
# (mbr or gpt), GRUB with the embedded configuration file, and the root.
disk_assemble() {
    table=$1 root=$2 disk=$3 config=$4
    shift 4
    case $table in
    mbr) core_start=1 core_sectors=2047 root_start=2048 tail=0 ;;
    gpt) core_start=2048 core_sectors=2048 root_start=4096 tail=2048 ;;
    *) die "disk_assemble: unknown table $table" ;;
    esac
    root_sectors=$(($(stat -c %s "$root") / SECTOR))
    truncate -s "$(((root_start + root_sectors + tail) * SECTOR))" "$disk"
    disk_table "$table" | sfdisk -q "$disk" >"$WORK/sfdisk.log" 2>&1 || die "sfdisk: $(cat "$WORK/sfdisk.log")"
    grub-mkimage -O i386-pc -d "$GRUB_MODULES" -o "$WORK/core.img" -p "$GRUB_PREFIX" -c "$config" "$@"
    [ "$(stat -c %s "$WORK/core.img")" -le "$((core_sectors * SECTOR))" ] || die "GRUB's core does not fit"
    disk_grub "$disk" "$core_start"
    dd if="$root" of="$disk" bs=1M seek="$((root_start * SECTOR))" oflag=seek_bytes conv=notrunc,sparse status=none
}

disk_table() {
    case $1 in
    mbr) printf 'label: dos\nlabel-id: 0x50494c45\nstart=%s, size=%s, type=83, bootable\n' "$root_start" "$root_sectors" ;;
    gpt) printf 'label: gpt\nstart=%s, size=%s, type=21686148-6449-6E6F-744E-656564454649\nstart=%s, size=%s, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\n' \
        "$core_start" "$core_sectors" "$root_start" "$root_sectors" ;;
    esac
}

# What grub-bios-setup does, on a file: boot.img's kernel_sector (8 bytes at
# 0x5c) and the first block list entry of core.img (8 bytes at 0x1f4, the
# sector after its own) are the only addresses in them.
disk_grub() {
    dd if="$GRUB_MODULES/boot.img" of="$1" bs=440 count=1 conv=notrunc status=none
    disk_le64 "$2" | dd of="$1" bs=1 seek=92 conv=notrunc status=none
    dd if="$WORK/core.img" of="$1" bs="$SECTOR" seek="$2" conv=notrunc status=none
    disk_le64 "$(($2 + 1))" | dd of="$1" bs=1 seek="$(($2 * SECTOR + 500))" conv=notrunc status=none
}

disk_le64() {
    rest=$1 bytes=
    for _ in 1 2 3 4 5 6 7 8; do
        bytes="$bytes\\$(printf %03o "$((rest % 256))")"
        rest=$((rest / 256))
    done
    # The digits are octal escapes of our own.
    # shellcheck disable=SC2059
    printf "$bytes"
}
