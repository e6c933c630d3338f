#compdef airlock
# SPDX-License-Identifier: Apache-2.0
# Completion of airlock's commands, flags, images and pods for zsh.  It asks `airlock help`, so that it knows what the
# installed airlock knows.
compdef _airlock airlock 2>/dev/null

# "NAME<TAB>SUMMARY" of each command in a help text.
_airlock_commands() {
  awk -F '\t' '/^COMMANDS:/ { on = 1; next } /^$/ { on = 0 } on { sub(/ +$/, "", $2); print $2 "\t" $3 }'
}

_airlock() {
  local program=$words[1] typed='' verb='' word name summary
  local -a commands candidates
  # The words of the command so far: not the flags, and nothing after "--".
  for word in ${words[2,CURRENT-1]}; do
    case $word in
      --) _files; return ;;
      -*) ;;
      *) typed+="$word " ;;
    esac
  done
  commands=("${(@f)$($program help 2>/dev/null | _airlock_commands)}")
  for word in $commands; do
    name=${word%%$'\t'*}
    if [[ $typed == "$name "* && $#name -gt $#verb ]]; then verb=$name; fi
  done

  # The value of a flag may be a file.
  if [[ $words[CURRENT] == --*=* ]]; then
    compset -P '*='
    _files
    return
  fi
  if [[ $words[CURRENT] == -* ]]; then
    candidates=("${(@f)$($program help ${=verb} 2>/dev/null | sed -nE 's/^\t +(--[a-z0-9-]+)[^\t]*\t(.*)$/\1:\2/p')}")
    _describe -o flag candidates
    return
  fi
  # The next word of every command that begins like this.
  for word in $commands; do
    name=${word%%$'\t'*} summary=${word#*$'\t'}
    if [[ "$name " != "$typed" && "$name " == "$typed"* ]]; then
      name=${name#$typed}
      if [[ $name == *' '* ]]; then summary='a group of commands'; fi
      candidates+=("${name%% *}:$summary")
    fi
  done
  candidates=(${(u)candidates})
  if (( $#candidates )); then _describe command candidates; fi
  case $verb in
    run | prepare | fetch | 'image cat-manifest' | 'image export' | 'image extract' | 'image render' | 'image rm' | 'image verify')
      candidates=(${(f)"$($program image list --no-legend --fields=name 2>/dev/null)"})
      compadd -a candidates
      _files ;;
    'app add' | 'app exec' | 'app list' | 'app rm' | 'app start' | 'app status' | 'app stop' | attach | cat-manifest | enter | export | logs | rm | run-prepared | status | stop)
      candidates=(${(fu)"$($program list --no-legend --full 2>/dev/null | cut -f1)"})
      compadd -a candidates ;;
    'audit prove' | 'audit show')
      candidates=(${(fu)"$($program list --no-legend --full 2>/dev/null | cut -f1)"})
      compadd -a candidates
      _files ;;
    completion) compadd bash fish zsh ;;
    attest\ * | audit\ * | trust) _files ;;
  esac
}

# As a file of fpath this is the function's body.
if [[ $funcstack[1] == _airlock ]]; then _airlock "$@"; fi
