# What ./demo and ./test share: finding the toolchain and the system packages, building, telling what is missing.
# To be sourced by bash, with the repository's directory as its argument. Sets `root` and `target` (absolute paths).

root=$1
name=${0##*/}

# Cargo takes a relative CARGO_TARGET_DIR from the folder where it was called.
target=${CARGO_TARGET_DIR:-$root/target}
[[ $target == /* ]] || target=$PWD/$target
export CARGO_TARGET_DIR=$target

# What the workspace is built with, and what the demonstration runs. ./test may need more: see its own list.
build_packages=(gcc libc6-dev pkg-config libssl-dev libudev-dev)
demo_packages=(nginx haproxy openssl udev util-linux)

say() { printf '%s: %s\n' "$name" "$*" >&2; }

die() {
    say "$@"
    exit 1
}

# Programs of the system administrator, as nginx is, are not in everybody's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# Whether what a Debian package gives is there, wherever it came from.
has_package() {
    case $1 in
    gcc) command -v cc ;;
    libc6-dev) [[ -e /usr/include/stdlib.h ]] ;;
    libssl-dev) pkg-config --exists 'libcrypto >= 3.0' ;;
    libudev-dev) pkg-config --exists libudev ;;
    udev) [[ -x /usr/lib/systemd/systemd-udevd || -x /lib/systemd/systemd-udevd ]] ;;
    util-linux) command -v unshare ;;
    iproute2) command -v ip ;;
    nginx | openssl | pkg-config | curl | haproxy | valgrind) command -v "$1" ;;
    *) [[ $(dpkg-query -W -f '${db:Status-Status}' "$1") == installed ]] ;;
    esac >/dev/null 2>&1
}

# Sees to it that these packages are there: installs them as root, else says what to type.
need_packages() {
    local package missing=()
    for package; do
        has_package "$package" || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    if ((EUID != 0)); then
        say "missing: ${missing[*]}. As root, type"
        printf '\n    apt-get update && apt-get install -y --no-install-recommends %s\n\n' "${missing[*]}" >&2
        die "and then start this again"
    fi
    command -v apt-get >/dev/null || die "missing: ${missing[*]} (names of Debian packages): install them"
    say "installing ${missing[*]} with apt-get"
    install_packages "${missing[@]}" || die "apt-get could not install ${missing[*]}: see above"
    for package in "${missing[@]}"; do
        has_package "$package" || die "$package is installed, and still can't be found"
    done
}

# A server's package starts the server as it is installed, unless this file says no. Nobody asked for that here.
install_packages() {
    local policy=/usr/sbin/policy-rc.d
    (
        if [[ ! -e $policy ]]; then
            trap 'rm -f "$policy"' EXIT
            printf '#!/bin/sh\nexit 101\n' >"$policy"
            chmod 755 "$policy"
        fi
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -q && apt-get install -y -q --no-install-recommends "$@"
    ) >&2
}

# Sees to it that there is a Rust toolchain, and that it is new enough.
need_rust() {
    local oldest=1.85 version
    command -v cargo >/dev/null || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
    command -v cargo >/dev/null || die "no cargo: install Rust $oldest or later (https://rustup.rs, or Debian 13's package cargo)"
    version=$(cd "$root" && cargo --version) || die "cargo doesn't run: see above"
    version=${version#cargo }
    version=${version%% *}
    [[ $(printf '%s\n' "$oldest" "$version" | sort -V | head -n 1) == "$oldest" ]] ||
        die "cargo $version is too old: Rust $oldest or later is needed (https://rustup.rs, or Debian 13's package cargo)"
}

# cargo, from the repository's directory, with the locked dependencies: `run_cargo build -p ...`.
run_cargo() {
    (cd "$root" && cargo "$1" --locked --release "${@:2}")
}

# Builds these packages of the workspace, and gives the provider the name that OpenSSL looks for.
build() {
    local package arguments=()
    for package; do
        arguments+=(-p "$package")
    done
    run_cargo build "${arguments[@]}" || die "the build failed: see above"
    if [[ -e $target/release/libhotspare_openssl.so ]]; then
        ln -sfn libhotspare_openssl.so "$target/release/hotspare.so"
    fi
}

# Takes the place of this shell: runs a command in user, mount and network namespaces of their own.
in_namespace() {
    ((EUID == 0)) || exec unshare -Urmn "$@"
    # For root, all users are there in the namespace: files of others stay within reach, as root is used to.
    local pid=$BASHPID
    (map_everybody "$pid" &)
    exec unshare -Umn bash -c '
        for ((tries = 0; tries < 500; tries++)); do
            [[ $(</proc/self/uid_map) && $(</proc/self/gid_map) ]] && exec "$@"
            sleep 0.01
        done
        echo "no users could be mapped into the namespace" >&2
        exit 1' bash "$@"
}

# Maps each user and group to itself, once the process has a user namespace of its own.
map_everybody() {
    local own tries map
    own=$(readlink /proc/self/ns/user)
    for ((tries = 0; tries < 500; tries++)); do
        [[ $(readlink "/proc/$1/ns/user") == "$own" ]] || break
        sleep 0.01
    done
    for map in gid_map uid_map; do
        # All of it in one write.
        printf '%s\n' "$(awk '{ print $1, $1, $3 }' "/proc/self/$map")" >"/proc/$1/$map"
    done
} 2>/dev/null

# Sees to it that in_namespace works here.
need_namespace() {
    (in_namespace true) 2>/dev/null && return
    ((EUID != 0)) || die "no namespaces can be made here. In a container: start it with --privileged"
    die "an ordinary user may not make namespaces here. As root, type" \
        "'sysctl kernel.unprivileged_userns_clone=1' (Debian)" \
        "or 'sysctl kernel.apparmor_restrict_unprivileged_userns=0' (Ubuntu), or start this as root"
}
