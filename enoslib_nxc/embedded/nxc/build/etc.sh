# /etc of a role: $names, $sources and $modes side by side, and its units.
mkdir -p "$out/systemd/system"
cp -rd "$units/." "$out/systemd/system/"
chmod -R u+w "$out"
read -ra names_ <<< "$names"
read -ra sources_ <<< "$sources"
read -ra modes_ <<< "$modes"
for i in "${!names_[@]}"; do
  mkdir -p "$(dirname "$out/${names_[$i]}")"
  cp -r "${sources_[$i]}" "$out/${names_[$i]}"
  # the store keeps no modes but "executable": stage 2 sets the others
  if [ "${modes_[$i]}" != symlink ]; then
    echo "${modes_[$i]} ${names_[$i]}" >> modes
  fi
done
if [ -e modes ]; then cp modes "$out/nxc-modes"; fi
