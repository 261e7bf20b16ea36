# A part of a tarball: closures below nix/store, and the files of $top at its top.
# $infos: closure infos of what is to be in it; $registration: a list of further paths;
# $except: closure infos of what is not; $more: whether another part follows.
paths_of() { for info in $1; do cat "$info/store-paths"; done; }
{ paths_of "$infos"; [ -z "${registration-}" ] || cat "$registration/all-store-paths"; } |
  sort -u > with
paths_of "$except" | sort -u > without
comm -23 with without | sed 's|^/||' > paths

# -b 1: the end mark is two blocks, and nothing else; it goes where another part follows
archive() {
  tar -c -b 1 --format=gnu --sort=name --mtime=@1 --owner=0 --group=0 --numeric-owner \
    --hard-dereference "$@"
}
end() { if [ -n "$more" ]; then head -c -1024; else cat; fi; }
{
  if [ -n "$top" ]; then
    # shellcheck disable=SC2046 # a list of plain names
    archive -C "$top" --mode=u+w $(ls "$top") | head -c -1024
  fi
  archive -C / -T paths | end
} | xz -1 --threads=2 --block-size=8MiB > "$out" # the number of threads changes no byte
