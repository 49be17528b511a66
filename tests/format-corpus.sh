#!/usr/bin/env bash
# How far `provisioner fmt` and `terraform fmt` agree on the *.tf files below a directory: as they are, and with their
# indentation, alignment and blank lines disturbed. Exits with 1 when they make different texts of a file that both accept.
#
#   tests/format-corpus.sh DIRECTORY [PROVISIONER]
set -euo pipefail
corpus=$(realpath "$1")
provisioner=$(realpath "${2:-target/debug/provisioner}")
export CHECKPOINT_DISABLE=1 TF_CLI_CONFIG_FILE=/dev/null
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Other space where there is some, the same at every run. What stands in heredocs is disturbed too: it is a text like another.
disturb() {
  awk -v seed=7 '
    BEGIN { srand(seed) }
    function spaces(most) { return sprintf("%" int(rand() * most) "s", "") }
    {
      line = $0
      if (line !~ /^[ \t]*$/) { sub(/^[ \t]+/, "", line); line = spaces(14) line }
      if (match(line, /^ *[a-zA-Z_-]+ += /)) {
        name = line; sub(/ += .*/, "", name); rest = substr(line, RLENGTH + 1)
        line = name spaces(9) "=" spaces(4) rest
      }
      if (match(line, /[^ ] +# [^"]*$/)) line = substr(line, 1, RSTART) spaces(12) substr(line, RSTART + 1)
      print line
      if (rand() < 0.05) print spaces(6)
    }' "$1"
}

accepts() { # Whether a program accepts a file.
  "${@:2}" <"$1" >/dev/null 2>&1
}

compare() {
  local name=$1 all=0 different=0 refused=0 file
  cp -r "$work/$name" "$work/theirs"
  cp -r "$work/$name" "$work/ours"
  terraform -chdir="$work/theirs" fmt -recursive -list=false >/dev/null 2>&1 || true
  (cd "$work/ours" && find . -name '*.tf' -print0 | xargs -0 "$provisioner" fmt --json 2>/dev/null) >"$work/list" || true
  while read -r file; do
    all=$((all + 1))
    if cmp -s "$work/theirs/$file" "$work/ours/$file"; then
      continue
    elif accepts "$work/$name/$file" terraform fmt - && accepts "$work/$name/$file" "$provisioner" fmt -; then
      different=$((different + 1))
      diff -u --label "terraform $file" --label "provisioner $file" "$work/theirs/$file" "$work/ours/$file" || true
    else
      refused=$((refused + 1))
      echo "one of them refuses $file"
    fi
  done < <(cd "$work/$name" && find . -name '*.tf' | sort)
  rm -rf "$work/theirs" "$work/ours"
  echo "$name: $all files, $(grep -o '"file":' "$work/list" | wc -l) of them accepted by provisioner, $different" \
    "different, $refused refused by one of the two"
  [ "$different" -eq 0 ]
}

mkdir "$work/as-written" "$work/disturbed"
while read -r file; do
  mkdir -p "$work/as-written/$(dirname "$file")" "$work/disturbed/$(dirname "$file")"
  cp "$corpus/$file" "$work/as-written/$file"
  disturb "$corpus/$file" >"$work/disturbed/$file"
done < <(cd "$corpus" && find . -name '*.tf' -not -path '*/.terraform/*') # which terraform fmt does not look into

status=0
compare as-written || status=1
compare disturbed || status=1
exit "$status"
