# The flavours that this library builds: NXC's names and fields.
{
  vm-ramdisk = {
    name = "vm-ramdisk";
    description = "Virtual machine, everything in memory";
    image = { type = "ramdisk"; distribution = "all-in-one"; };
  };
}
