# What the scripts here share; each reads it with `. scripts/lib.sh`.

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root: by itself, or by a sudo that wants no password.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

apt_install() {
  has apt-get || return 1
  [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null || return 1
  say "installing $*"
  as_root apt-get update -qq >&2
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Puts Debian packages into the current folder, without installing them.
apt_download() {
  has apt-get || { say "there is no apt to get $* with"; return 1; }
  local get=(apt-get download -qq -o APT::Sandbox::User=root "$@") # as root it would warn otherwise
  "${get[@]}" >&2 || { as_root apt-get update -qq >&2 && "${get[@]}" >&2; }
}
