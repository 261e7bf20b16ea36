# all-compositions.tar.xz, in NXC's layout: what Kadeploy unpacks on a partition.
#
# Two archives that read as one: base, kernel and initrd are compressed once, not for every
# composition.
{ derive, debian, baseInfo, closureInfo }:
let
  archive = name: variables: derive.run name ({
    except = [ ];
    top = "";
    PATH = "${debian.archivers}/bin:${debian.toolsPath}";
  } // variables) (builtins.readFile ./build/tarball.sh);

  baseArchive = archive "base.tar.xz" {
    infos = [ baseInfo ];
    more = "1";
    top = derive.run "boot-files" { inherit (debian) kernel stage1; } ''
      mkdir -p "$out/boot"
      cp "$kernel/bzImage" "$stage1/initrd" "$out/boot/"
    '';
  };
in
{ toplevel, registration, infoFile }:
let
  info = closureInfo "closure-info" [ toplevel ];
  files = derive.run "tarball-files" {
    inherit toplevel registration infoFile info;
  } ''
    mkdir -p "$out"/{boot,etc/ssh,nix/store,root,run,tmp,var/log}
    cp "$toplevel/init" "$out/boot/"
    cp "$infoFile" "$out/nix/store/compositions-info.json"
    cp "$registration"/nix-path-registration-* "$out/nix/store/"
    cp "$info/registration" "$out/nix-path-registration"
    ln -s "$toplevel" "$out/run/current-system"
  '';
  rest = archive "rest.tar.xz" {
    infos = [ info ];
    inherit registration;
    except = [ baseInfo ];
    top = files;
    more = "";
  };
in derive.run "tarball" { parts = [ baseArchive rest ]; } ''
  mkdir -p "$out/tarball"
  cat $parts > "$out/tarball/all-compositions.tar.xz"
''
