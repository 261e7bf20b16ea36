# An archive for `docker load` (Docker Image Specification 1.2): one layer of empty directories,
# and of the file in which Docker looks up root.
# $tag: the image's name.
archive() {
  tar -c --format=gnu --sort=name --mtime=@1 --owner=0 --group=0 --numeric-owner -C "$1" .
}
digest() { sha256sum < "$1" | cut -d' ' -f1; }
mkdir -p root/{dev,etc,nix/store,proc,root,run,sys,tmp,var} image
echo root:x:0:0::/root:/bin/bash > root/etc/passwd
archive root > layer.tar
layer=$(digest layer.tar)
mkdir "image/$layer"
mv layer.tar "image/$layer/layer.tar"
echo 1.0 > "image/$layer/VERSION"
jq -cn --arg layer "sha256:$layer" '{
  architecture: "amd64", os: "linux", created: "1970-01-01T00:00:01Z", config: {},
  rootfs: {type: "layers", diff_ids: [$layer]}}' > config.json
config=$(digest config.json).json
mv config.json "image/$config"
jq -cn --arg config "$config" --arg tag "$tag" --arg layer "$layer/layer.tar" \
  '[{Config: $config, RepoTags: [$tag], Layers: [$layer]}]' > image/manifest.json
archive image > "$out"
