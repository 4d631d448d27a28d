# kubemqctl's completion for bash 3.2 and later. Made from the command tree by `make completions`.
#
# Words and options are all in here. Names of channels and profiles come from `kubemqctl __complete`, one a
# line; they are strangers' text, so nothing of them is ever evaluated, and all of it is quoted.

# $1: a command's words. Sets commands, options (names), values (NAME=KIND …), arguments (KINDs), rest
# (the KIND of all words behind them), handler.
_kubemqctl_table() {
    commands='' options='' values='' arguments='' rest='' handler=''
    case $1 in
        '')
            commands='queue events store cmd query expect channel top ping check doctor bench profile broker schema completion help'
            options='--version'
            ;;
        'queue')
            commands='send receive peek ack-all tx move copy list info'
            ;;
        'events')
            commands='pub sub'
            ;;
        'store')
            commands='pub sub copy'
            ;;
        'cmd')
            commands='send respond'
            ;;
        'query')
            commands='send respond'
            ;;
        'expect')
            commands='queue events store'
            ;;
        'channel')
            commands='list create delete'
            ;;
        'bench')
            commands='queue events store cmd query'
            ;;
        'profile')
            commands='list show set use check remove rename copy path'
            ;;
        'broker')
            commands='run exec'
            ;;
        'queue send')
            options='--file --metadata --tag --id --expire --delay --max-receives --dead-letter --lines -0 --null --delimiter --json-lines --keep-id --keep-channel --pace --encode --rate --failed --unknown --retry'
            values='--file=file --metadata=- --tag=- --id=- --expire=- --delay=- --max-receives=- --dead-letter=channels:queues --delimiter=- --pace=- --encode=words:gzip,zlib,base64 --rate=- --failed=file --unknown=file --retry=-'
            arguments='channels:queues -'
            ;;
        'queue receive')
            options='-n --count --all --follow --wait --idle --for --ack --concurrency --on-fail --max-attempts --dead-letter --persistent --handler-timeout --handler-input --grace --prefix --decode --proto-set --proto-type -0 --null --delimiter'
            values='-n=- --count=- --wait=- --idle=- --for=- --ack=words:after-output,auto --concurrency=- --on-fail=words:reject,stop,resend=,retry= --max-attempts=- --dead-letter=channels:queues --handler-timeout=- --handler-input=words:body,json --grace=- --decode=words:gzip,zlib,base64,protobuf --proto-set=file --proto-type=- --delimiter=-'
            arguments='channels:queues'
            handler='--'
            ;;
        'queue peek')
            options='-n --count --all --wait --where --decode --proto-set --proto-type -0 --null --delimiter'
            values='-n=- --count=- --wait=- --where=words:id=,channel=,metadata=,client_id=,body=,body.,tags.,timestamp=,sequence=,receive_count=,re_routed_from=,expires_at=,delayed_to=,policy.,size= --decode=words:gzip,zlib,base64,protobuf --proto-set=file --proto-type=- --delimiter=-'
            arguments='channels:queues'
            ;;
        'queue ack-all')
            options='--yes --confirm'
            values='--confirm=-'
            arguments='channels:queues'
            ;;
        'queue tx')
            options='--ack --reject --resend --modify --metadata --tag --body --file --to --visibility --wait --on-fail --handler-timeout --handler-input --grace --decode --proto-set --proto-type -0 --null --delimiter'
            values='--resend=channels:queues --metadata=- --tag=- --body=- --file=file --to=channels:queues --visibility=- --wait=- --on-fail=words:reject,stop,resend= --handler-timeout=- --handler-input=words:body,json --grace=- --decode=words:gzip,zlib,base64,protobuf --proto-set=file --proto-type=- --delimiter=-'
            arguments='channels:queues'
            handler='--'
            ;;
        'queue move')
            options='-n --count --all --where --decode --proto-set --proto-type --max-receives --dead-letter --rate --dry-run --to-profile'
            values='-n=- --count=- --where=words:id=,channel=,metadata=,client_id=,body=,body.,tags.,timestamp=,sequence=,receive_count=,re_routed_from=,expires_at=,delayed_to=,policy.,size= --decode=words:gzip,zlib,base64,protobuf --proto-set=file --proto-type=- --max-receives=- --dead-letter=channels:queues --rate=- --to-profile=profiles'
            arguments='channels:queues channels:queues'
            ;;
        'queue copy')
            options='-n --count --all --where --decode --proto-set --proto-type --max-receives --dead-letter --rate --dry-run --to-profile'
            values='-n=- --count=- --where=words:id=,channel=,metadata=,client_id=,body=,body.,tags.,timestamp=,sequence=,receive_count=,re_routed_from=,expires_at=,delayed_to=,policy.,size= --decode=words:gzip,zlib,base64,protobuf --proto-set=file --proto-type=- --max-receives=- --dead-letter=channels:queues --rate=- --to-profile=profiles'
            arguments='channels:queues channels:queues'
            ;;
        'queue list')
            ;;
        'queue info')
            arguments='channels:queues'
            ;;
        'events pub')
            options='--file --metadata --tag --id --lines -0 --null --delimiter --json-lines --keep-id --keep-channel --pace --encode --rate --failed --unknown --retry'
            values='--file=file --metadata=- --tag=- --id=- --delimiter=- --pace=- --encode=words:gzip,zlib,base64 --rate=- --failed=file --unknown=file --retry=-'
            arguments='channels:events -'
            ;;
        'events sub')
            options='--group -n --count --idle --for -0 --null --delimiter --concurrency --handler-input --persistent --handler-timeout --grace --ready-file --no-reconnect --where --decode --proto-set --proto-type'
            values='--group=- -n=- --count=- --idle=- --for=- --delimiter=- --concurrency=- --handler-input=words:body,json --handler-timeout=- --grace=- --ready-file=file --where=words:id=,channel=,metadata=,body=,body.,tags.,timestamp=,received_at=,sequence=,size= --decode=words:gzip,zlib,base64,protobuf --proto-set=file --proto-type=-'
            arguments='channels:events'
            handler='--'
            ;;
        'store pub')
            options='--file --metadata --tag --id --lines -0 --null --delimiter --json-lines --keep-id --keep-channel --pace --encode --rate --failed --unknown --retry'
            values='--file=file --metadata=- --tag=- --id=- --delimiter=- --pace=- --encode=words:gzip,zlib,base64 --rate=- --failed=file --unknown=file --retry=-'
            arguments='channels:events_store -'
            ;;
        'store sub')
            options='--from --until --group --durable --checkpoint -n --count --idle --for -0 --null --delimiter --concurrency --handler-input --persistent --handler-timeout --grace --ready-file --no-reconnect --where --decode --proto-set --proto-type'
            values='--from=words:new,first,last --until=words:now --group=- --durable=- --checkpoint=file -n=- --count=- --idle=- --for=- --delimiter=- --concurrency=- --handler-input=words:body,json --handler-timeout=- --grace=- --ready-file=file --where=words:id=,channel=,metadata=,body=,body.,tags.,timestamp=,received_at=,sequence=,size= --decode=words:gzip,zlib,base64,protobuf --proto-set=file --proto-type=-'
            arguments='channels:events_store'
            handler='--'
            ;;
        'store copy')
            options='--from --until --follow --checkpoint --where --decode --proto-set --proto-type --rate --to-profile --ready-file'
            values='--from=words:new,first,last --until=words:now --checkpoint=file --where=words:id=,channel=,metadata=,body=,body.,tags.,timestamp=,received_at=,sequence=,size= --decode=words:gzip,zlib,base64,protobuf --proto-set=file --proto-type=- --rate=- --to-profile=profiles --ready-file=file'
            arguments='channels:events_store channels:events_store'
            ;;
        'cmd send')
            options='--file --timeout --metadata --tag --lines -0 --null --delimiter --json-lines --keep-id --keep-channel --pace --encode --rate --concurrency'
            values='--file=file --timeout=- --metadata=- --tag=- --delimiter=- --pace=- --encode=words:gzip,zlib,base64 --rate=- --concurrency=-'
            arguments='channels:commands -'
            ;;
        'cmd respond')
            options='--ok --error --group -n --count --concurrency --tag --handler-input --handler-output --persistent --handler-timeout --grace --decode --proto-set --proto-type --ready-file --background --log --no-reconnect'
            values='--error=- --group=- -n=- --count=- --concurrency=- --tag=- --handler-input=words:body,json --handler-output=words:body,json --handler-timeout=- --grace=- --decode=words:gzip,zlib,base64,protobuf --proto-set=file --proto-type=- --ready-file=file --log=file'
            arguments='channels:commands'
            handler='--'
            ;;
        'query send')
            options='--file --timeout --metadata --tag --cache-key --cache-ttl --lines -0 --null --delimiter --json-lines --keep-id --keep-channel --pace --encode --decode --proto-set --proto-type --rate --concurrency'
            values='--file=file --timeout=- --metadata=- --tag=- --cache-key=- --cache-ttl=- --delimiter=- --pace=- --encode=words:gzip,zlib,base64 --decode=words:gzip,zlib,base64,protobuf --proto-set=file --proto-type=- --rate=- --concurrency=-'
            arguments='channels:queries -'
            ;;
        'query respond')
            options='--reply --reply-file --echo --error --group -n --count --concurrency --metadata --tag --handler-input --handler-output --persistent --handler-timeout --grace --decode --proto-set --proto-type --ready-file --background --log --no-reconnect'
            values='--reply=- --reply-file=file --error=- --group=- -n=- --count=- --concurrency=- --metadata=- --tag=- --handler-input=words:body,json --handler-output=words:body,json --handler-timeout=- --grace=- --decode=words:gzip,zlib,base64,protobuf --proto-set=file --proto-type=- --ready-file=file --log=file'
            arguments='channels:queries'
            handler='--'
            ;;
        'expect queue')
            options='--where --never -n --count --exactly --none --within --take --ready-file --decode --proto-set --proto-type -0 --null --delimiter'
            values='--where=words:id=,channel=,metadata=,client_id=,body=,body.,tags.,timestamp=,sequence=,receive_count=,re_routed_from=,expires_at=,delayed_to=,policy.,size= --never=words:id=,channel=,metadata=,client_id=,body=,body.,tags.,timestamp=,sequence=,receive_count=,re_routed_from=,expires_at=,delayed_to=,policy.,size= -n=- --count=- --exactly=- --within=- --ready-file=file --decode=words:gzip,zlib,base64,protobuf --proto-set=file --proto-type=- --delimiter=-'
            arguments='channels:queues'
            handler='--'
            ;;
        'expect events')
            options='--where --never -n --count --exactly --none --within --ready-file --decode --proto-set --proto-type -0 --null --delimiter'
            values='--where=words:id=,channel=,metadata=,body=,body.,tags.,timestamp=,received_at=,sequence=,size= --never=words:id=,channel=,metadata=,body=,body.,tags.,timestamp=,received_at=,sequence=,size= -n=- --count=- --exactly=- --within=- --ready-file=file --decode=words:gzip,zlib,base64,protobuf --proto-set=file --proto-type=- --delimiter=-'
            arguments='channels:events'
            handler='--'
            ;;
        'expect store')
            options='--from --where --never -n --count --exactly --none --within --ready-file --decode --proto-set --proto-type -0 --null --delimiter'
            values='--from=words:new,first,last --where=words:id=,channel=,metadata=,body=,body.,tags.,timestamp=,received_at=,sequence=,size= --never=words:id=,channel=,metadata=,body=,body.,tags.,timestamp=,received_at=,sequence=,size= -n=- --count=- --exactly=- --within=- --ready-file=file --decode=words:gzip,zlib,base64,protobuf --proto-set=file --proto-type=- --delimiter=-'
            arguments='channels:events_store'
            handler='--'
            ;;
        'channel list')
            options='--filter'
            values='--filter=-'
            arguments='words:queues,events,events_store,commands,queries'
            ;;
        'channel create')
            arguments='words:queues,events,events_store,commands,queries -'
            ;;
        'channel delete')
            options='--yes --confirm'
            values='--confirm=-'
            arguments='words:queues,events,events_store,commands,queries channels:@'
            ;;
        'top')
            options='--sort --filter --interval'
            values='--sort=words:name,type,in,out,waiting,messages,size,subscribers,active --filter=- --interval=-'
            ;;
        'ping')
            options='--wait -n --count --interval'
            values='--wait=- -n=- --count=- --interval=-'
            ;;
        'check')
            options='--warn --critical --nagios'
            values='--warn=words:waiting>,messages>,bytes>,subscribers>,oldest>,round_trip> --critical=words:waiting>,messages>,bytes>,subscribers>,oldest>,round_trip>'
            arguments='words:queue'
            rest='channels:queues'
            ;;
        'doctor')
            ;;
        'bench queue')
            options='--producers --consumers --size -n --count --duration --rate --batch --warm-up --assert --channel'
            values='--producers=- --consumers=- --size=- -n=- --count=- --duration=- --rate=- --batch=- --warm-up=- --assert=- --channel=-'
            ;;
        'bench events')
            options='--producers --consumers --size -n --count --duration --rate --warm-up --assert --channel'
            values='--producers=- --consumers=- --size=- -n=- --count=- --duration=- --rate=- --warm-up=- --assert=- --channel=-'
            ;;
        'bench store')
            options='--producers --consumers --size -n --count --duration --rate --in-flight --warm-up --assert --channel'
            values='--producers=- --consumers=- --size=- -n=- --count=- --duration=- --rate=- --in-flight=- --warm-up=- --assert=- --channel=-'
            ;;
        'bench cmd')
            options='--producers --consumers --size -n --count --duration --rate --in-flight --timeout --warm-up --assert --channel --existing'
            values='--producers=- --consumers=- --size=- -n=- --count=- --duration=- --rate=- --in-flight=- --timeout=- --warm-up=- --assert=- --channel=- --existing=channels:commands'
            ;;
        'bench query')
            options='--producers --consumers --size -n --count --duration --rate --in-flight --timeout --warm-up --assert --channel --existing'
            values='--producers=- --consumers=- --size=- -n=- --count=- --duration=- --rate=- --in-flight=- --timeout=- --warm-up=- --assert=- --channel=- --existing=channels:queries'
            ;;
        'profile list')
            ;;
        'profile show')
            options='--effective'
            arguments='profiles'
            ;;
        'profile set')
            options='--token-command --default-output --protected --no-protected --read-only --no-read-only --unset --current'
            values='--token-command=- --default-output=words:auto,human,json,yaml,raw --unset=words:address,client_id,token,token_file,token_command,tls,output,protected,read_only'
            arguments='profiles'
            ;;
        'profile use')
            arguments='profiles'
            ;;
        'profile check')
            arguments='profiles'
            ;;
        'profile remove')
            options='--yes --confirm'
            values='--confirm=-'
            arguments='profiles'
            ;;
        'profile rename')
            arguments='profiles -'
            ;;
        'profile copy')
            arguments='profiles -'
            ;;
        'profile path')
            ;;
        'broker run')
            options='--listen --data --ephemeral --fault --fault-seed --like --ready-file --background --log'
            values='--listen=- --data=directory --fault=words:latency=,error=,cut=,lose-answer=,redeliver= --fault-seed=- --like=words:community-2.4 --ready-file=file --log=file'
            ;;
        'broker exec')
            options='--data --fault --fault-seed --like'
            values='--data=directory --fault=words:latency=,error=,cut=,lose-answer=,redeliver= --fault-seed=- --like=words:community-2.4'
            handler='--'
            ;;
        'schema')
            ;;
        'completion')
            options='--install'
            arguments='words:bash,zsh,fish'
            ;;
        'help')
            arguments='topics:patterns,streams,records,exit-codes,connections,positions,handlers,transactions,conditions,expect,copying,recipes,reference'
            ;;
        *) return 1 ;;
    esac
}

_kubemqctl_common='-p --profile -a --address --client-id --token-file --tls --no-tls --tls-ca --tls-cert --tls-key --tls-server-name --connect-timeout --connect-wait -o --output --json --format -q --quiet -v --verbose --no-input -h --help'
_kubemqctl_common_values='-p=profiles --profile=profiles -a=- --address=- --client-id=- --token-file=file --tls-ca=file --tls-cert=file --tls-key=file --tls-server-name=- --connect-timeout=- --connect-wait=- -o=words:auto,human,json,yaml,raw,prometheus --output=words:auto,human,json,yaml,raw,prometheus --format=-'

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
