# Functions for trees made of Debian packages, without dpkg's maintainer scripts.
# $debs: the .deb files, store paths.

# unpack_all TREE: unpack $debs into one usr-merged tree.
unpack_all() {
  mkdir -p "$1/usr/bin" "$1/usr/sbin" "$1/usr/lib" "$1/usr/lib64"
  for merged in bin sbin lib lib64; do ln -s "usr/$merged" "$1/$merged"; done
  # shellcheck disable=SC2086 # a list of store paths
  printf '%s\n' $debs | xargs -P "${NIX_BUILD_CORES:-1}" -I{} bash -euo pipefail -c '
    dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --no-same-owner --no-same-permissions \
      --keep-directory-symlink \
      --exclude="./usr/share/doc/*" --exclude="./usr/share/man/*" \
      --exclude="./usr/share/info/*" --exclude="./usr/share/locale/*" \
      --exclude="./usr/share/lintian/*" --exclude="./usr/share/bug/*" \
      --exclude="./usr/share/perl*" --exclude="./usr/lib/x86_64-linux-gnu/perl*" \
      --exclude="./usr/share/bash-completion/*" --exclude="./usr/share/zsh/*" \
      --exclude="./usr/lib/x86_64-linux-gnu/gconv/*" --exclude="./usr/share/i18n/*"
  ' unpack {} "$1"
}

# tidy TREE: programs of sbin also in bin, as NixOS systems have them; no empty directories.
tidy() {
  for program in "$1"/usr/sbin/*; do
    name=${program##*/}
    if [ -e "$program" ] && [ ! -e "$1/usr/bin/$name" ]; then
      ln -s "../sbin/$name" "$1/usr/bin/$name"
    fi
  done
  find "$1/usr" -mindepth 2 -type d -empty -delete
}
