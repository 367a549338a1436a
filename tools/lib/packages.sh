# Debian packages for tools/test and tools/demo. Sourced by bash scripts; nothing is touched when all is there.
# shellcheck shell=bash disable=SC2034,SC2086 # the lists are for those who source this, and are lists of words

# What a build with tests needs.
packages_build="cmake ninja-build gcc libc6-dev pkg-config libuv1-dev libmsgpack-dev libxxhash-dev libjansson-dev libzstd-dev
  zlib1g-dev libssl-dev libcmocka-dev python3"
# What a running server reads.
packages_run="tzdata"
# The second compiler, the foreign clients, and what the Python tests read.
packages_test="clang python3-msgpack python3-pynvim neovim zstd"

# Prints those of the given packages that are not installed.
packages_missing() {
  local package
  for package in "$@"; do
    dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || echo "$package"
  done
}

# Installs what is missing, as root or through sudo.
packages_ensure() {
  if ! command -v dpkg-query >/dev/null; then
    echo "This is not Debian: going on with what is here. Needed are the counterparts of: $*" >&2
    return 0
  fi
  local missing sudo=()
  missing=$(packages_missing "$@")
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "Missing packages; as root: apt-get install --no-install-recommends" $missing >&2
      return 1
    fi
    sudo=(sudo)
  fi
  echo "Installing:" $missing
  local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o Dpkg::Use-Pty=0)
  "${apt[@]}" update
  # shellcheck disable=SC2086 # a list of words
  "${apt[@]}" install -y --no-install-recommends $missing >/dev/null
}
