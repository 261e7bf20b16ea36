# A directory of units ($names, $texts side by side) and of the links that pull them in.
mkdir "$out"
read -ra names_ <<< "$names"
read -ra texts_ <<< "$texts"
for i in "${!names_[@]}"; do cp "${texts_[$i]}" "$out/${names_[$i]}"; done
for link in $links; do
  mkdir -p "$out/$(dirname "$link")"
  ln -s "../$(basename "$link")" "$out/$link"
done
