# shellcheck shell=sh
# What every image recipe needs: progress lines, a work folder that is always
# removed, the cache, Debian packages by apt without touching the machine's own
# apt, and the manifest. Sourced by each build.sh; knows nothing of any image.
#
# A recipe sets: IMAGE_NAME, then calls image_begin, builds into $WORK and
# $STAGE, and calls image_finish.

set -eu
umask 022

DEBIAN_SUITE=${PILEUS_DEBIAN_SUITE:-bookworm}
DEBIAN_MIRROR=${PILEUS_DEBIAN_MIRROR:-http://deb.debian.org/debian}
DEBIAN_SECURITY=${PILEUS_DEBIAN_SECURITY:-http://deb.debian.org/debian-security}
DEBIAN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# A checked build is trusted for a week; after that the package versions are
# compared with the mirror's again (Debian's point of asking more often is nil:
# security updates of a test image are not urgent, and asking costs seconds).
CACHE_TRUST_DAYS=7

IMAGES_DIR=$(cd "$(dirname "$0")/.." && pwd)
RECIPE_DIR=$(cd "$(dirname "$0")" && pwd)
OUT_DIR=${PILEUS_IMAGE_CACHE:-$IMAGES_DIR/out}

say() {
    now=$(date +%s)
    printf '%4ds  %s: %s\n' "$((now - STARTED))" "$IMAGE_NAME" "$*"
}

die() {
    printf '%s: %s\n' "$IMAGE_NAME" "$*" >&2
    exit 1
}

need_tools() {
    for tool in "$@"; do
        command -v "$tool" >/dev/null 2>&1 ||
            die "the tool '$tool' is missing: run 'cargo xtask packages'"
    done
}

# Digest of everything that decides the result besides the package versions:
# the recipe's own files, the shared shell files, and the mirror.
recipe_digest() {
    {
        (cd "$IMAGES_DIR" && find "lib" "${RECIPE_DIR#"$IMAGES_DIR"/}" -type f | LC_ALL=C sort |
            xargs sha256sum)
        (cd "$IMAGES_DIR" && find "lib" "${RECIPE_DIR#"$IMAGES_DIR"/}" -type f -perm /111 | LC_ALL=C sort)
        echo "$DEBIAN_SUITE $DEBIAN_MIRROR $DEBIAN_SECURITY"
    } | sha256sum | cut -d' ' -f1
}

# Starts a build: returns at once (exit 0) if the wanted image is there.
image_begin() {
    STARTED=$(date +%s)
    TARGET=$OUT_DIR/$IMAGE_NAME
    RECIPE_DIGEST=$(recipe_digest)
    if image_is_current && [ -z "${PILEUS_IMAGE_FRESH:-}" ] &&
        [ -n "$(find "$TARGET/.versions" -mtime "-$CACHE_TRUST_DAYS" 2>/dev/null)" ]; then
        say "up to date in $TARGET"
        exit 0
    fi
    [ "$(id -u)" = 0 ] || die "building an image needs root (file owners inside the image)"
    mkdir -p "$OUT_DIR"
    # One build of an image at a time; the second finds the first one's result.
    exec 9>"$OUT_DIR/.$IMAGE_NAME.lock"
    if ! flock -n 9; then
        say "another build of it is running: waiting for that one"
        flock 9
    fi
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/pileus-image.XXXXXX")
    trap 'rm -rf "$WORK"' EXIT
    trap 'exit 130' INT TERM HUP
    STAGE=$WORK/stage
    mkdir "$STAGE"
}

image_is_current() {
    [ -f "$TARGET/image.json" ] && [ "$(cat "$TARGET/.recipe" 2>/dev/null)" = "$RECIPE_DIGEST" ]
}

# Ends the build early if the packages named on standard input (one
# "name version" a line) are the ones that the present image was made of.
image_skip_if_same_packages() {
    cat >"$STAGE/.versions"
    if image_is_current && cmp -s "$STAGE/.versions" "$TARGET/.versions"; then
        touch "$TARGET/.versions"
        say "up to date in $TARGET (package versions compared)"
        exit 0
    fi
}

# Puts the finished stage in the place of the old result, in one rename.
image_finish() {
    printf '%s\n' "$RECIPE_DIGEST" >"$STAGE/.recipe"
    rm -rf "$TARGET.new" "$TARGET.old"
    mv "$STAGE" "$TARGET.new"
    [ ! -e "$TARGET" ] || mv "$TARGET" "$TARGET.old"
    mv "$TARGET.new" "$TARGET"
    rm -rf "$TARGET.old"
    say "done: $TARGET ($(du -sh --apparent-size "$TARGET" | cut -f1))"
}

debian_sources() {
    cat <<EOF
deb [signed-by=$DEBIAN_KEYRING] $DEBIAN_MIRROR $DEBIAN_SUITE main
deb [signed-by=$DEBIAN_KEYRING] $DEBIAN_MIRROR $DEBIAN_SUITE-updates main
deb [signed-by=$DEBIAN_KEYRING] $DEBIAN_SECURITY $DEBIAN_SUITE-security main
EOF
}

# apt with its own folders, so that neither the machine's sources nor its
# installed packages matter; only its proxy settings are shared.
apt_begin() {
    [ -f "$DEBIAN_KEYRING" ] || die "$DEBIAN_KEYRING is missing: run 'cargo xtask packages'"
    APT=$WORK/apt
    mkdir -p "$APT/state/lists/partial" "$APT/cache/archives/partial" "$APT/etc/preferences.d"
    : >"$APT/state/status"
    debian_sources >"$APT/etc/sources.list"
    apt_run update -qq || die "apt-get update from $DEBIAN_MIRROR failed"
}

apt_run() {
    apt-get -o "Dir::State=$APT/state" -o "Dir::State::status=$APT/state/status" \
        -o "Dir::Cache=$APT/cache" -o "Dir::Etc::sourcelist=$APT/etc/sources.list" \
        -o Dir::Etc::sourceparts=/dev/null -o "Dir::Etc::preferencesparts=$APT/etc/preferences.d" \
        -o APT::Architecture=amd64 -o APT::Architectures=amd64 -o APT::Sandbox::User=root \
        -o APT::Get::List-Cleanup=0 -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

apt_cache() {
    apt-cache -o "Dir::State=$APT/state" -o "Dir::State::status=$APT/state/status" \
        -o "Dir::Cache=$APT/cache" -o "Dir::Etc::sourcelist=$APT/etc/sources.list" \
        -o Dir::Etc::sourceparts=/dev/null -o APT::Architecture=amd64 \
        -o APT::Architectures=amd64 "$@"
}

# "name version" of the candidate of each package named.
apt_versions() {
    apt_cache policy "$@" | awk '/^[^ ]/ { sub(":$", ""); name = $1 } /^  Candidate: / { print name, $2 }'
}

# The package with the newest kernel's files: linux-image-cloud-amd64 is empty
# and only depends on it.
apt_cloud_kernel() {
    apt_cache depends linux-image-cloud-amd64 | sed -n 's/^  Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n1
}

# Writes image.json. $1: a JSON fragment with the image's own members, without
# braces; the files' digests and sizes are added here.
manifest_write() {
    {
        printf '{\n%s,\n  "files": {' "$1"
        comma=
        for file in "$STAGE"/*; do
            printf '%s\n    "%s": { "bytes": %s, "sha256": "%s" }' "$comma" "$(basename "$file")" \
                "$(stat -c %s "$file")" "$(sha256sum "$file" | cut -d' ' -f1)"
            comma=,
        done
        printf '\n  }\n}\n'
    } >"$WORK/image.json"
    mv "$WORK/image.json" "$STAGE/image.json"
}
