# Programs with their own libraries, started by their own loader: /bin/NAME.
# $programs: NAME, or NAME=FILE where the file has another name.
unpack_all "$out/tree"
mkdir "$out/bin"
libraries=$out/tree/usr/lib/x86_64-linux-gnu
for program in $programs; do
  cat > "$out/bin/${program%=*}" <<END
#!/bin/sh
exec $libraries/ld-linux-x86-64.so.2 --argv0 ${program%=*} --library-path $libraries \
  $out/tree/usr/bin/${program#*=} "\$@"
END
done
chmod 755 "$out"/bin/*
if [ -e "$out/tree/usr/bin/busybox" ]; then ln -s ../tree/usr/bin/busybox "$out/bin/busybox"; fi
