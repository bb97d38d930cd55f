# Runs a shell line inside the room. Called in mount and process namespaces of its own, as their first
# process: whatever is mounted or started here ends with it.
#   enter.sh ROOT RUSTUP_HOME CARGO_BIN DIR LINE [NAME=VALUE..]
set -eu
root=$1 rustup=$2 cargo_bin=$3 dir=$4 line=$5
home=/root
shift 5

mount --make-rprivate /
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"

# Rust is lent at the paths it knows itself by, and read-only: the room cannot change it.
lend() {
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
    mount -o remount,bind,ro "$root$2"
}
lend "$rustup" "$rustup"
lend "$cargo_bin" "$home/.cargo/bin"

chroot "$root" /usr/bin/env -i -C "$dir" HOME="$home" USER=root LANG=C.UTF-8 TERM="${TERM:-dumb}" \
    PATH=$home/.cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    RUSTUP_HOME="$rustup" "$@" /bin/sh -ec "$line"
