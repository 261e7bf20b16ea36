# The few functions of nixpkgs' lib that compositions use; same names, same meaning.
let
  inherit (builtins) attrNames concatLists concatMap concatStringsSep filter foldl' hasAttr
    isAttrs isFunction isList length listToAttrs map mapAttrs;
in rec {
  inherit attrNames concatLists concatMap concatStringsSep filter foldl' hasAttr isAttrs
    isFunction isList length listToAttrs mapAttrs;
  inherit (builtins) attrValues elem elemAt genList head isBool isInt isString tail toJSON;

  nameValuePair = name: value: { inherit name value; };
  genAttrs = names: f: listToAttrs (map (name: nameValuePair name (f name)) names);
  mapAttrsToList = f: attrs: map (name: f name attrs.${name}) (attrNames attrs);
  mapAttrs' = f: attrs: listToAttrs (mapAttrsToList f attrs);
  concatMapAttrs = f: attrs: foldl' (all: one: all // one) { } (mapAttrsToList f attrs);
  filterAttrs = keep: attrs: listToAttrs (concatMap (name:
    if keep name attrs.${name} then [ (nameValuePair name attrs.${name}) ] else [ ])
    (attrNames attrs));
  recursiveUpdate = left: right: left // mapAttrs (name: value:
    if isAttrs value && isAttrs (left.${name} or null)
    then recursiveUpdate left.${name} value else value) right;

  concatStrings = concatStringsSep "";
  concatMapStrings = f: list: concatStrings (map f list);
  concatMapStringsSep = separator: f: list: concatStringsSep separator (map f list);
  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: values: if condition then values else [ ];
  optionalString = condition: text: if condition then text else "";
  optionalAttrs = condition: attrs: if condition then attrs else { };
  range = first: last: builtins.genList (n: first + n) (if last < first then 0 else last - first + 1);
  flatten = value: if isList value then concatMap flatten value else [ value ];
  unique = foldl' (all: one: if builtins.elem one all then all else all ++ [ one ]) [ ];
  toList = value: if isList value then value else [ value ];
  last = list: builtins.elemAt list (length list - 1);
  splitSlash = text: filter builtins.isString (builtins.split "/" text);
  hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
  escapeShellArg = text: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] (toString text)}'";

  # Conditions and priorities of definitions, as modules.nix reads them (100 is a plain one).
  mkIf = condition: content: { _type = "if"; inherit condition content; };
  mkMerge = contents: { _type = "merge"; inherit contents; };
  mkOverride = priority: content: { _type = "override"; inherit priority content; };
  mkDefault = mkOverride 1000;
  mkForce = mkOverride 50;
}
