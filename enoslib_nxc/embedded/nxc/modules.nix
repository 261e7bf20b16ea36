# A small evaluation of NixOS modules: imports, options that are known, mkIf, mkMerge,
# mkDefault, mkForce. `options` is a tree whose leaves come from options.nix.
{ lib, options }:
let
  inherit (lib) concatMap concatMapStringsSep concatStringsSep filter isAttrs mapAttrs;

  showPath = concatStringsSep ".";
  isOption = node: node ? kind;

  # A module and its imports as a flat list of configuration sets.
  collect = args: module:
    let
      loaded = if builtins.isPath module || builtins.isString module then import module else module;
      set = if builtins.isFunction loaded then loaded args else loaded;
      config = set.config or (removeAttrs set [ "imports" "_file" ]);
    in concatMap (collect args) (set.imports or [ ]) ++ [ config ];

  # Conditions and priorities move towards the leaves, so that the names in a set are known
  # before any condition is computed.
  push = value:
    if (value._type or "") == "merge" then concatMap push value.contents
    else if (value._type or "") == "if"
    then map (mapAttrs (_: inner: value // { content = inner; })) (push value.content)
    else if (value._type or "") == "override"
    then map (mapAttrs (_: inner: value // { content = inner; })) (push value.content)
    else [ value ];

  # The definitions of a leaf: [{ priority, value }].
  settle = value:
    if (value._type or "") == "merge" then concatMap settle value.contents
    else if (value._type or "") == "if"
    then if value.condition then settle value.content else [ ]
    else if (value._type or "") == "override"
    then map (found: found // { inherit (value) priority; }) (settle value.content)
    else [ { priority = 100; inherit value; } ];

  strongest = definitions:
    let best = lib.foldl' (low: one: if one.priority < low then one.priority else low) 9999 definitions;
    in map (one: one.value) (filter (one: one.priority == best) definitions);

  typed = {
    string = value: builtins.isString value;
    lines = value: builtins.isString value;
    bool = builtins.isBool;
    list = builtins.isList;
    any = _: true;
  };

  check = where: option: value:
    if (typed.${option.kind} or typed.any) value then value
    else throw "${where.subject}: A definition for option `${showPath where.path}' is not of type `${option.kind}'.";

  unique = where: values:
    if lib.length values == 1 || builtins.all (value: value == lib.head values) values
    then lib.head values
    else throw "${where.subject}: The option `${showPath where.path}' has conflicting definition values.";

  merge = where: option: definitions:
    let values = map (check where option) (strongest definitions);
    in if option.kind == "ignored" then null
    else if option.kind == "list" then lib.concatLists values
    else if option.kind == "lines" then concatStringsSep "\n" values
    else unique where values;

  # Whether anything is defined: an attrsOf has no name that is under false conditions only.
  defined = value:
    if (value._type or "") == "merge" then builtins.any defined value.contents
    else if (value._type or "") == "if" then value.condition && defined value.content
    else if (value._type or "") == "override" then defined value.content
    else true;

  # Names of all sets, for attrsOf.
  names = sets: lib.unique (concatMap lib.attrNames sets);
  at = name: sets: map (set: set.${name}) (filter (set: set ? ${name}) sets);

  evalNode = where: node: sets:
    if isOption node then evalOption where node sets
    else
      let
        pushed = concatMap push (map (ensureSet where) sets);
        unknown = filter (name: ! node ? ${name}) (names pushed);
      in if unknown != [ ]
      then throw "${where.subject}: The option `${showPath (where.path ++ [ (lib.head unknown) ])}' does not exist. This library knows: ${concatStringsSep ", " (lib.attrNames node)}."
      else mapAttrs (name: child:
        evalNode (where // { path = where.path ++ [ name ]; }) child (at name pushed)) node;

  ensureSet = where: value:
    if isAttrs value then value
    else throw "${where.subject}: The option `${showPath where.path}' is a set of options.";

  evalOption = where: option: sets:
    if option.kind == "attrs" || option.kind == "submodules" then
      let
        pushed = concatMap push (map (ensureSet where) sets);
        child = if option.kind == "attrs" then { kind = "any"; } else option.options;
        below = name: evalNode (where // { path = where.path ++ [ name ]; }) child (at name pushed);
        given = filter (name: builtins.any defined (at name pushed)) (names pushed);
      in option.default or { } // lib.genAttrs given below
    else
      let definitions = concatMap settle sets;
      in if definitions != [ ] then merge where option definitions
      else option.default or (throw "${where.subject}: The option `${showPath where.path}' is used but not defined.");

  # Forces the check of names, which evaluation leaves undone for options that nobody reads.
  known = node: value:
    if isOption node
    then node.kind != "submodules" || builtins.all (known node.options) (lib.attrValues value)
    else builtins.seq value (builtins.all (name: known node.${name} value.${name}) (lib.attrNames node));

in { subject, modules, args }:
let
  # modules see the configuration unchecked: the check itself reads what they define
  config = evalNode { inherit subject; path = [ ]; } options
    (concatMap (collect (args // { inherit config lib options; })) modules);
in assert known options config; config
