# kubemqctl's completion for bash 3.2 and later. Made from the command tree by `make completions`.
#
# Words and options are all in here. Names of channels and profiles come from `kubemqctl __complete`, one a
# line; they are strangers' text, so nothing of them is ever evaluated, and all of it is quoted.

# $1: a command's words. Sets commands, options (names), values (NAME=KIND …), arguments (KINDs), rest
# (the KIND of all words behind them), handler.
_kubemqctl_table() {
    commands='' options='' values='' arguments='' rest='' handler=''
    case $1 in
#TABLE#
        *) return 1 ;;
    esac
}

_kubemqctl_common='#COMMON#'
_kubemqctl_common_values='#COMMON_VALUES#'

# Reads the line up to the cursor. Sets words (unquoted), cur (the last one, unquoted), quote (the open one)
# and head (how much of cur readline leaves alone: it replaces what stands behind a colon, a = or a quote).
_kubemqctl_read() {
    local line=${COMP_LINE:0:COMP_POINT} i char next begun=''
    words=() cur='' quote='' head=''
    for ((i = 0; i < ${#line}; i++)); do
        char=${line:i:1}
        next=${line:i+1:1}
        if [[ $quote == "'" ]]; then
            if [[ $char == "'" ]]; then quote=''; else cur+=$char; fi
        elif [[ $quote == '"' ]]; then
            case $char in
                '"') quote='' ;;
                \\) case $next in '$' | '`' | '"' | \\) cur+=$next && ((i += 1)) ;; *) cur+=$char ;; esac ;;
                *) cur+=$char ;;
            esac
        else
            case $char in
                "'" | '"') quote=$char head=$cur begun=1 ;;
                \\) cur+=$next begun=1 && ((i += 1)) ;;
                [[:space:]])
                    [[ $begun ]] && words+=("$cur")
                    cur='' head='' begun=''
                    ;;
                '<' | '>')
                    [[ $begun ]] && words+=("$cur")
                    words+=("$char")
                    cur='' head='' begun=''
                    ;;
                *)
                    cur+=$char begun=1
                    [[ $char == [:=] && $COMP_WORDBREAKS == *"$char"* ]] && head=$cur
                    ;;
            esac
        fi
    done
}

# Offers those of its arguments that begin with cur, quoted as the open quote wants it.
_kubemqctl_offer() {
    local name rest
    for name; do
        [[ $name == "$cur"* ]] || continue
        rest=${name:${#head}}
        case $quote in
            "'") [[ $rest == *"'"* ]] && continue ;;
            '"')
                [[ $rest == *'!'* ]] && continue
                rest=${rest//\\/\\\\} rest=${rest//\"/\\\"} rest=${rest//\$/\\\$} rest=${rest//\`/\\\`}
                ;;
            *) [[ $rest ]] && printf -v rest %q "$rest" ;;
        esac
        COMPREPLY+=("$rest")
    done
}

# $1: an option. Sets kind to the kind of its value, empty when it takes none.
_kubemqctl_kind_of() {
    local all=" $values $_kubemqctl_common_values "
    kind=''
    if [[ $all == *" $1="* ]]; then
        kind=${all#*" $1="}
        kind=${kind%% *}
    fi
}

# $1: a kind, $2: what stands before the value in the same word (`--output=`).
_kubemqctl_value() {
    local IFS=$' \t\n' list program type name names=()
    case $1 in
        file) compopt -o default -o bashdefault 2>/dev/null ;;
        directory) compopt -o nospace -o filenames 2>/dev/null && _kubemqctl_directories "$2" ;;
        words:*)
            list=${1#words:}
            IFS=,
            for name in $list; do
                # One that goes on and is there as a whole: to offer it would only close its quote.
                [[ $2$name == "$cur" && $name == *[=.\>] ]] || names+=("$2$name")
            done
            [[ $list == *[=.\>]* ]] && compopt -o nospace 2>/dev/null
            _kubemqctl_offer "${names[@]}"
            ;;
        topics:*)
            list=${1#topics:}
            _kubemqctl_table "${typed[*]}"
            [[ ${typed[*]} ]] && list=''
            _kubemqctl_offer $commands ${list//,/ }
            ;;
        profiles | channels:*)
            type=${1#channels:}
            [[ $type == @ ]] && type=${typed[0]-}
            program=${words[0]}
            [[ $program == */* && -x $program ]] || program=kubemqctl
            while IFS= read -r name; do names+=("$2$name"); done < <(
                command "$program" __complete "$type" "${cur#"$2"}" "${words[@]:1}" </dev/null 2>/dev/null
            )
            ((${#names[@]})) && _kubemqctl_offer "${names[@]}"
            ;;
    esac
}

# $1: what stands before the directory in the same word.
_kubemqctl_directories() {
    local IFS=$'\n' name prefix=$1
    for name in $(compgen -d -- "${cur#"$prefix"}"); do
        name=$prefix$name
        COMPREPLY+=("${name:${#head}}")
    done
}

# A command of the user's own, behind --; $1 is how many of its words are there, $2 behind how many --.
_kubemqctl_handler() {
    local at name dashes=0
    for ((at = 0; at < COMP_CWORD; at++)); do
        [[ ${COMP_WORDS[at]} == -- ]] && ((++dashes == $2)) && break
    done
    for name in _comp_command_offset _command_offset; do
        if declare -F "$name" >/dev/null; then
            "$name" $((at + 1))
            return
        fi
    done
    compopt -o default -o bashdefault 2>/dev/null
    if (($1 == 0)); then
        local IFS=$'\n'
        COMPREPLY=($(compgen -c -- "$cur"))
    fi
}

_kubemqctl_complete() {
    local IFS=$' \t\n' words cur quote head commands options values arguments rest handler
    local word path='' kind='' expected='' behind='' dashes=0 typed=() i
    COMPREPLY=()
    _kubemqctl_read
    _kubemqctl_table ''
    for ((i = 1; i < ${#words[@]}; i++)); do
        word=${words[i]}
        if [[ $behind && ! $handler ]]; then
            typed+=("$word")
        elif [[ $behind == 1 && ! ${typed[*]} && $word == -?* ]]; then
            # A channel with a leading dash; a second -- may follow.
            typed+=("$word") behind=''
        elif [[ $behind ]]; then
            ((behind += 1))
        elif [[ $expected ]]; then
            expected=''
        elif [[ $word == [\<\>] ]]; then
            expected=file
        elif [[ $word == -- ]]; then
            behind=1
            ((dashes += 1))
        elif [[ $word == -?* ]]; then
            _kubemqctl_kind_of "$word"
            expected=$kind
        elif [[ " $commands " == *" $word "* ]]; then
            path=${path:+$path }$word
            _kubemqctl_table "$path"
        else
            typed+=("$word")
        fi
    done
    if [[ $behind && $handler && ( ${typed[*]} || $cur != -?* ) ]]; then
        _kubemqctl_handler $((behind - 1)) $dashes
    elif [[ $expected ]]; then
        _kubemqctl_value "$expected" ''
    elif [[ ! $behind && $cur == --*=* ]]; then
        _kubemqctl_kind_of "${cur%%=*}"
        _kubemqctl_value "$kind" "${cur%%=*}="
    elif [[ ! $behind && $cur == -* ]]; then
        _kubemqctl_offer $options $_kubemqctl_common $handler
    elif [[ $commands ]]; then
        [[ ${typed[*]} ]] || _kubemqctl_offer $commands
    else
        arguments=($arguments)
        i=${#typed[@]}
        if [[ ${arguments[*]} == topics:* ]]; then i=0; fi
        _kubemqctl_value "${arguments[i]-$rest}" ''
    fi
}

# Completion runs in the shell itself: what fails in it must not end one that was told `set -e`.
_kubemqctl() {
    _kubemqctl_complete || return 0
}

if type compopt >/dev/null 2>&1; then
    complete -F _kubemqctl kubemqctl
else
    complete -o bashdefault -o default -F _kubemqctl kubemqctl
fi
