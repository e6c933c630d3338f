# SPDX-License-Identifier: Apache-2.0
# Completion of airlock's commands, flags, images and pods for fish.  It asks `airlock help`, so that it knows what the
# installed airlock knows.

# The words of the command so far: not the flags.
function __airlock_typed
    set -l words (commandline -opc)
    set -l typed
    for word in $words[2..-1]
        if not string match -q -- '-*' $word
            set -a typed $word
        end
    end
    string join -- ' ' $typed
end

# "NAME<TAB>SUMMARY" of each command.
function __airlock_commands
    $argv[1] help 2>/dev/null |
        awk -F '\t' '/^COMMANDS:/ { on = 1; next } /^$/ { on = 0 } on { sub(/ +$/, "", $2); print $2 "\t" $3 }'
end

# The longest command that was typed.
function __airlock_verb
    set -l typed (__airlock_typed)
    set -l verb
    for line in (__airlock_commands $argv[1])
        set -l name (string split -f1 \t -- $line)
        if string match -q -- "$name *" "$typed "
            and test (string length -- $name) -gt (string length -- "$verb")
            set verb $name
        end
    end
    echo $verb
end

function __airlock_after_dashes
    contains -- -- (commandline -opc)
end

function __airlock_wants_files
    __airlock_after_dashes
    and return 0
    set -l verb (__airlock_verb (commandline -opc)[1])
    contains -- $verb run prepare fetch trust
    or string match -qr '^(attest|audit) .' -- $verb
end

function __airlock_candidates
    __airlock_after_dashes
    and return
    set -l program (commandline -opc)[1]
    # The value of a flag may be a file.
    if string match -qr '^--[a-z-]+=' -- (commandline -ct)
        set -l parts (string split -m1 = -- (commandline -ct))
        for path in (__fish_complete_path $parts[2])
            echo $parts[1]=$path
        end
        return
    end
    set -l verb (__airlock_verb $program)
    if string match -q -- '-*' (commandline -ct)
        $program help (string split -n -- ' ' $verb) 2>/dev/null |
            sed -nE 's/^\t +(--[a-z0-9-]+)[^\t]*\t(.*)$/\1\t\2/p'
        return
    end
    # The next word of every command that begins like this.
    set -l typed (__airlock_typed)
    for line in (__airlock_commands $program)
        set -l parts (string split -m1 \t -- $line)
        set -l rest $parts[1]
        if test -n "$typed"
            string match -q -- "$typed *" $rest
            or continue
            set rest (string sub -s (math (string length -- $typed) + 2) -- $rest)
        end
        if string match -q -- '* *' $rest
            printf '%s\ta group of commands\n' (string split -f1 -- ' ' $rest)
        else
            printf '%s\t%s\n' $rest $parts[2]
        end
    end
    switch "$verb"
        case run prepare fetch 'image cat-manifest' 'image export' 'image extract' 'image render' 'image rm' 'image verify'
            $program image list --no-legend --fields=name 2>/dev/null
        case 'app add' 'app exec' 'app list' 'app rm' 'app start' 'app status' 'app stop' attach cat-manifest enter export logs rm run-prepared status stop 'audit prove' 'audit show'
            $program list --no-legend --full 2>/dev/null | cut -f1 | sort -u
        case completion
            printf '%s\n' bash fish zsh
    end
end

complete -c airlock -f -a '(__airlock_candidates)'
complete -c airlock -n __airlock_wants_files -F
