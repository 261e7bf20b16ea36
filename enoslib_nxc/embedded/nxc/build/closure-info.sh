# Writes store-paths, registration and total-nar-size from a structured references graph.
# With structured attributes, variables come in files: in the working directory for Nix up
# to 2.x, in a place that the environment names for those whose sandbox moves them.
here=$PWD
[ -e "$here/.attrs.sh" ] || here=$(dirname "$NIX_ATTRS_SH_FILE")
PATH=/usr/bin:/bin
source "$here/.attrs.sh"
export PATH LC_ALL=C
attrs=$here/.attrs.json
out=${outputs[out]}
mkdir "$out"
jq -r '[.closure[].path] | sort[]' "$attrs" > "$out/store-paths"
jq -r '.closure | sort_by(.path)[]
  | .path, .narHash, .narSize, "", (.references | length), (.references | sort[])' \
  "$attrs" > "$out/registration"
jq -r '[.closure[].narSize] | add' "$attrs" > "$out/total-nar-size"
