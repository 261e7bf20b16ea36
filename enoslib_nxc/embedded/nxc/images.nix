# From roles to an image: the parts of the ramdisk, and the compose info that describes it.
{ lib, derive, debian, system }:
let
  inherit (builtins) attrNames toJSON unsafeDiscardStringContext;

  closureInfo = derive.closureInfo debian.toolsPath;

  layer = { name, infos, except ? [ ], top ? "" }: derive.run "${name}.cpio" {
    inherit infos except top;
    PATH = debian.toolsPath;
    squashfs = name;
    compression = "-comp zstd -Xcompression-level 3"; # boots as fast as lz4, a third smaller
  } (builtins.readFile ./build/layer.sh);

  baseInfo = closureInfo "base-closure-info" [ debian.base ];
  baseLayer = layer { name = "base.squashfs"; infos = [ baseInfo ]; };

  # NXC's stage 1 compares the name of the booted kernel with that of the role's.
  imageOf = kernel: derive.run "image" { inherit kernel; } ''
    mkdir "$out"
    cp "$kernel/bzImage" "$out/kernel"
    echo "$kernel/bzImage" > "$out/kernel_store_path"
  '';

  qemuScript = kernelImage: derive.run "qemu_script" {
    script_ = ./guest/qemu_script.sh;
    inherit kernelImage;
  } ''
    sed "s|@kernel@|$kernelImage/kernel|" "$script_" > "$out"
    chmod 755 "$out"
  '';

  # with the store shared, as flavour vm has it
  sharingScript = kernelImage: derive.writeScript "qemu_script" (builtins.replaceStrings
    [ "@script@" ] [ "${qemuScript kernelImage}" ] (builtins.readFile ./guest/qemu_script.vm.sh));

  composition = generation: name: value:
    let
      roles = attrNames value.roles;
      toplevels = builtins.mapAttrs (_: role: role.toplevel) value.roles;
      infos = builtins.mapAttrs (role: toplevel: closureInfo "closure-info" [ toplevel ])
        toplevels;
      info = role: {
        init = "${toplevels.${role}}/init";
        toplevel = "${toplevels.${role}}";
        closure_info = "${infos.${role}}";
      };
    in {
      infos = lib.attrValues infos;
      storeInfo = allStoreInfo name roles infos;
      described = {
        roles = lib.genAttrs roles (role:
          if generation == "0.6" then info role else "${toplevels.${role}}");
        all_store_info = "${allStoreInfo name roles infos}";
        test_script = "${derive.writeText "test-script" (value.testScript or "")}";
      } // lib.optionalAttrs (value ? rolesDistribution) {
        roles_distribution = value.rolesDistribution;
      };
    };

  # merged-store-paths, and a registration for each role, by the names that NXC gives them.
  allStoreInfo = name: roles: infos: derive.run "all-store-info" {
    inherit roles;
    composition = name;
    infos = map (role: infos.${role}) roles;
  } ''
    mkdir "$out"
    for info in $infos; do cat "$info/store-paths"; done | sort -u > "$out/merged-store-paths"
    read -ra roles_ <<< "$roles"
    i=0
    for info in $infos; do
      file=nix-path-registration-$composition-''${roles_[$i]}
      cp "$info/registration" "$out/$file"
      registrations="''${registrations-} $file"
      i=$((i + 1))
    done
    echo "$registrations" > "$out/all-registration"
  '';

  # All that a store must hold to serve the roles, and the roles' registrations.
  registrationStorePath = storeInfos: derive.run "all-compositions-registration-store-paths" {
    inherit storeInfos;
  } ''
    mkdir "$out"
    for info in $storeInfos; do
      cat "$info/merged-store-paths"
      cp "$info"/nix-path-registration-* "$out/"
    done | sort -u > "$out/all-store-paths"
  '';

  tarball = import ./tarball.nix { inherit derive debian baseInfo closureInfo; };
in {
  # base: the role that belongs to no composition; NXC's images carry it as `init`.
  composeInfo = { flavour, compositions, generation, base }:
    let
      built = builtins.mapAttrs (composition generation) compositions;
      described = builtins.mapAttrs (_: one: one.described) built;
      # what stage 1 reads: it is that of 0.7 whatever the generation of the compose info
      infoFile = derive.writeText "compositions-info.json" (toJSON
        (builtins.mapAttrs (name: value: (composition "0.7" name value).described) compositions));
      storeLayer = layer {
        name = "nix-store.squashfs";
        infos = lib.concatMap (one: one.infos) (lib.attrValues built);
        except = [ baseInfo ];
        top = derive.run "store-files" {
          inherit infoFile;
          storeInfos = map (one: one.storeInfo) (lib.attrValues built);
        } ''
          mkdir "$out"
          cp "$infoFile" "$out/compositions-info.json"
          ln -s compositions-info.json "$out/$(basename "$infoFile")"
          for info in $storeInfos; do cp "$info"/nix-path-registration-* "$out/"; done
        '';
      };
      registration = registrationStorePath (map (one: one.storeInfo) (lib.attrValues built));
      toplevel = "${base.toplevel}";
      # NXC's image of flavour vm has no type: its store is mounted, from where it was built
      type = flavour.image.type or "shared-store";
      starter = if type == "shared-store" then debian.vm else debian;
      kernelImage = imageOf starter.kernel;
      remote = {
        initrd = "${starter.stage1}/initrd";
        all_compositions_registration_store_path = "${registration}";
        # names only, as in NXC: the compose info need not bring this system along
        init = builtins.unsafeDiscardStringContext "${toplevel}/init";
      };
      byType = {
        ramdisk.initrd = "${ramdisk}/initrd";
        remote-store = remote;
        shared-store = remote;
        tarball = remote // {
          image = "${tarball { inherit toplevel registration infoFile; }}/tarball/all-compositions.tar.xz";
        };
      };
      ramdisk = derive.run "initrd" {
        inherit (debian) stage1;
        layers = [ baseLayer storeLayer ];
      } ''
        mkdir "$out"
        cat "$stage1/initrd" $layers > "$out/initrd"
      '';
    in derive.writeText "compose-info.json" (toJSON {
      flavour = { inherit (flavour) name description image; };
      inherit system;
      compositions_info_path = "${infoFile}";
      compositions_info = described;
      all = {
        kernel = "${kernelImage}/kernel";
        stage1 = "${starter.stage1}/init";
        qemu_script =
          if ! flavour.vm or false then "Disable_for_space_saving"
          else if type == "shared-store" then "${sharingScript kernelImage}"
          else "${qemuScript kernelImage}";
      } // byType.${type};
    });
}
