# kubemqctl's completion for fish. Made from the command tree by `make completions`.
#
# Words and options are all in here. Names of channels and profiles come from `kubemqctl __complete`, one a
# line; they are strangers' text: fish quotes what is printed here, and nothing of it is ever evaluated.

# $argv[1]: a command's words. Prints its rows: command|WORD|HELP, argument|KIND, rest|KIND (of all words behind
# those), handler, and option|NAMES|KIND|HELP.
function __kubemqctl_table
    switch $argv[1]
#TABLE#
    end
end

function __kubemqctl_common
    printf '%s\n' \
#COMMON#
end

# Prints the kind of the value that option $argv[1] takes, of the rows $argv[2..]; nothing when it takes none.
function __kubemqctl_kind_of
    for row in $argv[2..]
        set -l parts (string split '|' -- $row)
        if test "$parts[1]" = option; and contains -- $argv[1] (string split ' ' -- $parts[2])
            echo $parts[3]
            return
        end
    end
end

# $argv: the kind; what stands before the value in the same word; the value so far; the first argument; the
# words of the line.
function __kubemqctl_value
    set -l kind $argv[1]
    set -l before $argv[2]
    switch $kind
        case file
            __fish_complete_path $argv[3] | string replace -r '^' -- "$before"
        case directory
            __fish_complete_directories $argv[3] '' | string replace -r '^' -- "$before"
        case 'words:*'
            for name in (string split , -- (string sub -s 7 -- $kind))
                # One that goes on and is there as a whole: to offer it would only close its quote.
                test "$name" = "$argv[3]"; and string match -qr '[=.>]$' -- $name
                or printf "$before%s\n" $name
            end
        case profiles 'channels:*'
            set kind (string replace channels: '' -- $kind)
            test $kind = @; and set kind $argv[4]
            set -l program $argv[5]
            string match -q '*/*' -- $program; and test -x $program; or set program kubemqctl
            command $program __complete "$kind" "$argv[3]" $argv[6..] </dev/null 2>/dev/null | string replace -r '^' -- "$before"
    end
end

function __kubemqctl
    set -l line (commandline -opc)
    set -l current (commandline -ct)
    set -l plain (string unescape -- "$current" 2>/dev/null; or string replace -r '^([^\'"]*)[\'"]' '$1' -- "$current")
    set -l rows (__kubemqctl_table '')
    set -l common (__kubemqctl_common)
    set -l path
    set -l typed
    set -l expected ''
    set -l behind ''
    set -l at 1
    for word in $line[2..]
        set at (math $at + 1)
        if test -n "$expected"
            set expected ''
        else if test -n "$behind"; and not contains handler $rows
            set -a typed $word
        else if test -n "$behind"; and test -z "$typed"; and string match -qr -- '^-.' $word
            # A channel with a leading dash; a second -- may follow.
            set -a typed $word
            set behind ''
        else if test "$word" = --
            set behind 1
            set -l next $line[(math $at + 1)..] $current
            if contains handler $rows; and begin
                    test -n "$typed"; or not string match -qr -- '^-.' $next[1]
                end
                complete -C (string join ' ' -- (string escape -- $line[(math $at + 1)..]) $current)
                return
            end
        else if string match -qr -- '^-.' $word
            set expected (__kubemqctl_kind_of $word $rows $common)
        else if string match -q -- "command|$word|*" $rows
            set -a path $word
            set rows (__kubemqctl_table "$path")
        else
            set -a typed $word
        end
    end
    set -l arguments (string replace -rf '^argument\|' '' -- $rows)
    if test -n "$expected"
        __kubemqctl_value $expected '' "$plain" "$typed[1]" $line
    else if test -z "$behind"; and string match -q -- '--*=*' $current
        set -l parts (string split -m 1 = -- $plain)
        __kubemqctl_value (__kubemqctl_kind_of $parts[1] $rows $common) "$parts[1]=" "$parts[2]" "$typed[1]" $line
    else if test -z "$behind"; and string match -q -- '-*' $current
        for row in $rows $common
            set -l parts (string split '|' -- $row)
            test "$parts[1]" = option; or continue
            for name in (string split ' ' -- $parts[2])
                printf '%s\t%s\n' $name $parts[4]
            end
        end
        contains handler $rows; and printf '%s\t%s\n' -- 'a command for each message comes behind it'
    else if string match -q -- 'topics:*' $arguments[1]
        test -n "$typed"; or string split , -- (string sub -s 8 -- $arguments[1])
        string replace -rf '^command\|([^|]*)\|(.*)' '$1\t$2' -- (__kubemqctl_table "$typed")
    else if string match -q -- 'command|*' $rows
        test -n "$typed"; or string replace -rf '^command\|([^|]*)\|(.*)' '$1\t$2' -- $rows
    else
        set -l next (math (count $typed) + 1)
        set -q arguments[$next]; or set arguments[$next] (string replace -rf '^rest\|' '' -- $rows)
        test -n "$arguments[$next]"; and __kubemqctl_value $arguments[$next] '' "$plain" "$typed[1]" $line
    end
end

complete -c kubemqctl -e
complete -c kubemqctl -f -a '(__kubemqctl)'
