# A tree of links to the packages that a role has besides the base.
mkdir -p "$out/usr/bin" "$out/etc"
for package in $packages; do
  for part in usr etc var; do
    [ ! -d "$package/$part" ] || { mkdir -p "$out/$part"; cp -rs "$package/$part/." "$out/$part/"; }
  done
  # packages of the composition's own making have NixOS's layout
  for part in bin lib share; do
    if [ -d "$package/$part" ] && [ ! -L "$package/$part" ]; then
      mkdir -p "$out/usr/$part"
      cp -rs "$package/$part/." "$out/usr/$part/"
    fi
  done
  chmod -R u+w "$out"
done
