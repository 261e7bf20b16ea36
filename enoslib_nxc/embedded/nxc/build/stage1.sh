# The first part of the ramdisk: /init, its programs, the modules that it needs, and NXC's
# stage-1 text, which is extracted from the wheel and changed by nothing but what Nix itself
# does to an indented string (common indentation, escapes).
mkdir -p root/{bin,sbin,modules,etc,lib,lib64,usr}
ln -s ../lib root/usr/lib
cp "$tree/usr/bin/busybox" root/bin/busybox
for applet in $("$tree/usr/bin/busybox" --list); do
  [ "$applet" = busybox ] || ln -s busybox "root/bin/$applet"
done

libraries=$tree/usr/lib/x86_64-linux-gnu
loader=$libraries/ld-linux-x86-64.so.2
mkdir -p root/lib/x86_64-linux-gnu
cp "$tree/usr/sbin/kexec" root/bin/
"$loader" --library-path "$libraries" --list "$tree/usr/sbin/kexec" |
  sed -n 's/.*=> \([^ ]*\) .*/\1/p' | while read -r library; do
    case $library in
      */ld-linux*) ;;
      *) cp -L "$library" root/lib/x86_64-linux-gnu/ ;;
    esac
  done
cp -L "$loader" root/lib64/
# NXC's text starts jq six times; this one starts ten times faster, 2 s of an emulated boot
cp "$tree/usr/bin/gojq" root/bin/jq
cp "$tree/usr/lib/klibc/bin/ipconfig" root/bin/
cp "$tree"/usr/lib/klibc-*.so root/lib/

version=$(ls "$kernel/lib/modules")
# modules_of LIST MODULE...: a list of what to load, in order, without what is there already
modules_of() {
  local list=root/modules/$1
  shift
  for module in "$@"; do
    modprobe -d "$kernel" -S "$version" --show-depends "$module"
  done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r file; do
    [ ! -e "root/modules/${file##*/}" ] || continue
    cp "$file" root/modules/
    echo "${file##*/}" >> "$list"
  done
}
# the devices are those of virtual machines; ext4 is part of the kernel
@loaded@

busybox unzip -q -p "$wheel" nix/flavours/shared/@text@ > source.nix
awk -f "$extract" source.nix > commands
# shellcheck disable=SC2016 # a literal ${ would be Nix's, not the shell's
if [ ! -s commands ] || grep -q '@{' commands; then
  echo "cannot read the stage-1 text of this nixos-compose" >&2
  exit 1
fi
awk 'FNR == NR { text = text $0 "\n"; next }
  $0 == "@commands@" { printf "%s", text; next } { print }' commands "$init" > root/init
chmod 755 root/init
install -m 755 "$dhcp" root/dhcp
install -m 755 "$mountNfs" root/sbin/mount.nfs
find root -exec touch -h -d @1 {} +
mkdir "$out"
cp commands "$out/commands"
cp root/init "$out/init"
(cd root && find . -mindepth 1 -print0 | sort -z |
  cpio -0 -o -H newc --quiet --reproducible -R 0:0) > "$out/initrd"
