# SPDX-License-Identifier: Apache-2.0
# Completion of airlock's commands, flags, images and pods for bash.  It asks `airlock help`, so that it knows what the
# installed airlock knows.

# The commands of a help text, or of one group: "image list".
_airlock_commands() {
  awk -F '\t' '/^COMMANDS:/ { on = 1; next } /^$/ { on = 0 } on { sub(/ +$/, "", $2); print $2 }'
}

_airlock() {
  local program=$1 current=${COMP_WORDS[COMP_CWORD]} typed='' word name rest
  COMPREPLY=()
  # The words of the command so far: not the flags, and nothing after "--".
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      --) compopt -o default 2>/dev/null; return ;;
      -* | =) ;;
      *) typed+="$word " ;;
    esac
  done
  local commands verb=''
  commands=$("$program" help 2>/dev/null | _airlock_commands)
  while IFS= read -r name; do
    if [[ $typed == "$name "* && ${#name} -gt ${#verb} ]]; then verb=$name; fi
  done <<<"$commands"

  if [[ $current == -* ]]; then
    # shellcheck disable=SC2086 # a verb can be two words
    rest=$("$program" help $verb 2>/dev/null | grep -oE '^'$'\t'' +--[a-z-]+' | tr -d '\t ')
    mapfile -t COMPREPLY < <(compgen -W "$rest" -- "$current")
    return
  fi
  # The next word of every command that begins like this.
  rest=
  while IFS= read -r name; do
    if [[ "$name " == "$typed"* && "$name " != "$typed" ]]; then
      name=${name:${#typed}}
      rest+="${name%% *} "
    fi
  done <<<"$commands"
  case $verb in
    run | fetch | 'image cat-manifest' | 'image rm' | 'image verify')
      rest+=$("$program" image list --no-legend --fields=name 2>/dev/null)
      # A version stands after a colon, at which bash starts a new word.
      case $COMP_WORDBREAKS in *:*) rest=${rest//:/\\:} ;; esac
      compopt -o default 2>/dev/null ;;
    'app add' | 'app exec' | 'app list' | 'app rm' | 'app start' | 'app status' | 'app stop' | attach | cat-manifest | enter | export | logs | rm | status | stop)
      rest+=$("$program" list --no-legend --full 2>/dev/null | cut -f1 | sort -u) ;;
    'audit prove' | 'audit show')
      rest+=$("$program" list --no-legend --full 2>/dev/null | cut -f1 | sort -u)
      compopt -o default 2>/dev/null ;;
    attest\ * | audit\ * | trust) compopt -o default 2>/dev/null ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$rest" -- "$current" | sort -u)
}
complete -F _airlock airlock
