#!/bin/sh
# Build dist/opcode-htmx_*.deb with dpkg-buildpackage. Needs Debian's packages build-essential, debhelper,
# python3-pip and python3-venv. DEBEMAIL and DEBFULLNAME name who has built it.
set -eu
cd "$(dirname "$0")/../.."

python=${PYTHON:-.venv/bin/python}
version=$("$python" -c 'from opcode_htmx.lib.version import __version__ as v; print(v.replace(".dev", "~dev"))')
work=build/debian/opcode-htmx-$version
rm -rf build/debian
mkdir -p "$work" dist
cp -R deploy/debian/debian "$work/debian"
cp requirements.txt docs/configuration.md "$work/"
"$python" -m hatchling build --target wheel -d "$work"

builder="${DEBFULLNAME:-The opcode-htmx authors} <${DEBEMAIL:-opcode-htmx@example.org}>"
cat > "$work/debian/changelog" <<END
opcode-htmx ($version) unstable; urgency=medium

  * What has changed stands in CHANGELOG.md of the source.

 -- $builder  $(date -R)
END

(cd "$work" && dpkg-buildpackage --build=binary --no-sign)
mv build/debian/opcode-htmx_*.deb dist/
echo "Built $(ls dist/opcode-htmx_"$version"_*.deb)."
