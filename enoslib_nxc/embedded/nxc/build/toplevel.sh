# The system of a role: /init is stage 2.
mkdir "$out"
substitute() {
  awk -v out="$out" -v base="$base" -v packages="$packages" -v modules="$kernelModules" \
    -v sysctl="$hasSysctl" '
    FNR == NR { text = text $0 "\n"; next }
    $0 == "@postBoot@" { printf "%s", text; next }
    { gsub(/@out@/, out); gsub(/@base@/, base); gsub(/@packages@/, packages)
      gsub(/@modules@/, modules); gsub(/@sysctl@/, sysctl); print }' "$postBootPath" "$1"
}
substitute "$stage2" > "$out/init"
substitute "$ready" > "$out/ready"
chmod 755 "$out/init" "$out/ready"
ln -s "$etc" "$out/etc"
ln -s "$packages" "$out/packages"
ln -s "$base" "$out/base"
ln -s /usr "$out/sw"
ln -s "$kernelPath" "$out/kernel"
ln -s "$initrdPath" "$out/initrd"
printf x86_64-linux > "$out/system"
printf debian > "$out/nixos-version"
