# Programs with their own libraries, started by their own loader: /bin/NAME.
unpack_all "$out/tree"
mkdir "$out/bin"
libraries=$out/tree/usr/lib/x86_64-linux-gnu
for program in cpio=cpio jq=jq mksquashfs=mksquashfs depmod=kmod modprobe=kmod; do
  cat > "$out/bin/${program%=*}" <<END
#!/bin/sh
exec $libraries/ld-linux-x86-64.so.2 --argv0 ${program%=*} --library-path $libraries \
  $out/tree/usr/bin/${program#*=} "\$@"
END
done
chmod 755 "$out"/bin/*
ln -s ../tree/usr/bin/busybox "$out/bin/busybox"
