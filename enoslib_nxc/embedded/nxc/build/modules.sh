# Copies the modules named in $list (names, or directories ending in /) with dependencies.
version=$(ls "$kernel/lib/modules")
from=$kernel/lib/modules/$version
into=$out/lib/modules/$version
mkdir -p "$into"
names() {
  grep -v '^#' "$list" | while read -r word; do
    case $word in
      */) find "$from/kernel/$word" -name '*.ko' -printf '%f\n' | sed 's/\.ko$//' | sort ;;
      ?*) echo "$word" ;;
    esac
  done
}
names | while read -r name; do
  # a name that this kernel has built in, or does not know, is left out
  modprobe -d "$kernel" -S "$version" --show-depends "$name" 2> /dev/null || :
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r file; do
  mkdir -p "$into/$(dirname "${file#"$from"/}")"
  cp "$file" "$into/${file#"$from"/}"
done
cp "$from"/modules.{builtin,builtin.modinfo,order} "$into/"
depmod -b "$out" "$version"
