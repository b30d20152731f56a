# Functions of the other scripts; source it with `. scripts/lib.sh`.

message() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root, directly or with a sudo that asks for no password.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

apt_install() {
  has apt-get || return 1
  [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null || return 1
  message "installing $*"
  as_root apt-get update -qq >&2
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Downloads Debian packages into the current folder without installing them.
apt_download() {
  has apt-get || { message "apt-get is missing: cannot download $*"; return 1; }
  local get=(apt-get download -qq -o APT::Sandbox::User=root "$@") # as root it would warn otherwise
  "${get[@]}" >&2 || { as_root apt-get update -qq >&2 && "${get[@]}" >&2; }
}
