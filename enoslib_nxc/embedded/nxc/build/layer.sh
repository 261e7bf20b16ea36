# One part of the ramdisk: a squashfs in a cpio archive.
# $infos: closure infos of what is to be in it; $except: of what is not; $top: a directory
# of further files, for the top; $squashfs: its name; $compression: options.
paths_of() { for info in $1; do cat "$info/store-paths"; done | sort -u; }
paths_of "$infos" > with
paths_of "$except" > without
comm -23 with without > paths
if [ -n "$top" ]; then ls -d "$top"/* >> paths; fi
mkdir cpio
# shellcheck disable=SC2046,SC2086 # lists of store paths; options
mksquashfs $(cat paths) "cpio/$squashfs" -no-progress -quiet -all-root -no-xattrs \
  -keep-as-directory $compression
touch -d @1 "cpio/$squashfs"
(cd cpio && echo "$squashfs" | cpio -o -H newc --quiet --reproducible -R 0:0) > "$out"
