#!/bin/sh
# Prints the path of a Python: `find_python.sh 3.12 or-newer [candidate]` or `find_python.sh 3.11 exactly`.
# A candidate must run and show its version: a pyenv shim may be on the PATH and still refuse to start.
wanted=$1 rule=$2 given=$3
case $rule in
  or-newer) words=" or newer" hint="install it or: make setup PYTHON=/path/to/python$wanted" compare=">=" names="python$wanted python3 python3.14 python3.13 python" ;;
  exactly) words="" hint="install it to have this part" compare="==" names="python$wanted python3" ;;
esac

# Debian packs venv apart, so a Python of the right version may still be unable to make an environment.
code="
import sys
found = 'found %d.%d.%d at %s' % (sys.version_info[:3] + (sys.executable,))
right = sys.version_info[:2] $compare tuple(map(int, '$wanted'.split('.')))
try:
    import ensurepip, venv
    print(sys.executable if right else found)
except ImportError:
    print(found + ', without its venv module' if right else found)
"

if [ -n "$given" ]; then
  candidates=$given
else
  candidates="$names $(ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$wanted"*/bin/python"$wanted" 2>/dev/null)"
fi

found="found none"
for candidate in $candidates; do
  answer=$("$candidate" -c "$code" 2>/dev/null) || continue
  case $answer in
    /*) echo "$answer"; exit 0 ;;
    found*) [ "$found" = "found none" ] && found=$answer ;;
  esac
done
echo "vaex needs Python $wanted$words; $found; $hint" >&2
exit 1
