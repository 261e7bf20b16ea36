# The NixOS options that roles may set; names and meanings are NixOS's.
#
# kinds: string, lines (joined), bool, list (joined), attrs (of any), submodules, any,
# ignored (accepted because it changes nothing here).
let
  option = kind: default: { inherit kind default; };
  ignored = option "ignored" null;
  optional = option "any" null;
in {
  environment = {
    systemPackages = option "list" [ ];
    variables = option "attrs" { };
    sessionVariables = option "attrs" { };
    etc = {
      kind = "submodules";
      options = {
        enable = option "bool" true;
        text = optional;
        source = optional;
        mode = option "string" "symlink";
        user = ignored;
        group = ignored;
      };
    };
  };

  systemd.services = {
    kind = "submodules";
    options = {
      enable = option "bool" true;
      description = option "string" "";
      script = option "lines" "";
      preStart = option "lines" "";
      postStart = option "lines" "";
      path = option "list" [ ];
      environment = option "attrs" { };
      serviceConfig = option "attrs" { };
      unitConfig = option "attrs" { };
      wantedBy = option "list" [ ];
      requiredBy = option "list" [ ];
      wants = option "list" [ ];
      requires = option "list" [ ];
      bindsTo = option "list" [ ];
      partOf = option "list" [ ];
      conflicts = option "list" [ ];
      after = option "list" [ ];
      before = option "list" [ ];
      restartIfChanged = ignored;
      restartTriggers = ignored;
      stopIfChanged = ignored;
    };
  };

  boot = {
    kernelModules = option "list" [ ];
    kernel.sysctl = option "attrs" { };
    postBootCommands = option "lines" "";
  };

  networking = {
    hostName = option "string" "";
    extraHosts = option "lines" "";
    firewall = ignored; # there is none
    useDHCP = ignored; # by stage 1, on every interface that ip= leaves
  };

  users.users = {
    kind = "submodules";
    options = {
      isNormalUser = ignored; # all are: in the group users, with a home and bash
      description = option "string" "";
      uid = optional;
      home = option "string" "";
      openssh.authorizedKeys.keys = option "list" [ ];
    };
  };

  security.wrappers = {
    kind = "submodules";
    options = {
      source = option "any" null;
      setuid = option "bool" false;
      owner = ignored; # root
      group = ignored;
    };
  };

  enoslib.compat = option "list" [ ]; # names of EnOSlib's services: compat.json

  nxc = {
    postBootCommands = option "lines" "";
    users = {
      names = option "list" [ ];
      prefixHome = option "string" "/home";
    };
    sharedDirs = {
      kind = "submodules";
      options = {
        export = option "bool" false;
        server = option "string" "";
      };
    };
    sharedDirsBootCommands = option "lines" "";
    qemu-script = ignored;
    root-sshKeys = ignored;
    wait-online = ignored;
  };

  services = {
    # sshd always runs, for root, with keys only
    openssh = {
      enable = ignored;
      permitRootLogin = ignored;
      settings.PermitRootLogin = ignored;
    };
    sshd.enable = ignored;
    getty.autologinUser = ignored;
  };

  documentation = ignored;
  i18n = ignored;
  system.stateVersion = ignored;
}
