# A package of PyPI, and a program that runs it as `python3 -m` would.
mkdir -p "$out/bin" "$out/lib/$program"
busybox unzip -q "$wheel" -d "$out/lib/$program"
printf '%s\n' '#!/usr/bin/env python3' 'import runpy' \
  "runpy.run_path('$out/lib/$program/$program/__main__.py', run_name='__main__')" \
  > "$out/bin/$program"
chmod 755 "$out/bin/$program"
