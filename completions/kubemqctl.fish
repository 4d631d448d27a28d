# kubemqctl's completion for fish. Made from the command tree by `make completions`.
#
# Words and options are all in here. Names of channels and profiles come from `kubemqctl __complete`, one a
# line; they are strangers' text: fish quotes what is printed here, and nothing of it is ever evaluated.

# $argv[1]: a command's words. Prints its rows: command|WORD|HELP, argument|KIND, handler, and
# option|NAMES|KIND|HELP.
function __kubemqctl_table
    switch $argv[1]
        case ''
            printf '%s\n' \
                'command|queue|Send, receive, settle, look into, move and empty queues.' \
                'command|events|Publish events to whoever listens, and listen to them.' \
                'command|store|Publish events that are kept, and read them from any point.' \
                'command|cmd|Send commands, which are carried out or refused, and respond.' \
                'command|query|Send queries, which are answered, and respond to them.' \
                'command|channel|List, create and delete channels of every type.' \
                'command|top|Watch the channels: what comes in, goes out and waits.' \
                'command|ping|Ask the server whether it is there, and how fast it answers.' \
                'command|doctor|Check everything between this machine and the server.' \
                'command|bench|Measure throughput and latency, pattern by pattern.' \
                'command|profile|Keep connections under a name: addresses, credentials, TLS.' \
                'command|broker|Serve KubeMQ clients without a KubeMQ server, for tests.' \
                'command|schema|Describe this program for programs, as one JSON document.' \
                'command|completion|Print a shell\'s completion script, or install it.' \
                'command|help|Explain a topic or a command.'
        case 'queue'
            printf '%s\n' \
                'command|send|Send a message to a queue, or many.' \
                'command|receive|Receive messages: print them, or run COMMAND for each.' \
                'command|peek|Print the first messages of a queue and leave them there.' \
                'command|ack-all|Empty a queue: acknowledge all that waits in it.' \
                'command|tx|Hold one message of a queue, and decide what becomes of it.' \
                'command|move|Move messages to another queue: dead letters back to work.' \
                'command|list|List the queues with what the server tells of them.' \
                'command|info|Show one queue\'s statistics. Ends with 3 when there is no such queue.'
        case 'events'
            printf '%s\n' \
                'command|pub|Publish an event, or many, to those who listen now.' \
                'command|sub|Print events as they are published, or run COMMAND for each.'
        case 'store'
            printf '%s\n' \
                'command|pub|Publish an event, or many, to be stored.' \
                'command|sub|Print stored events from a point on, or run COMMAND for each.'
        case 'cmd'
            printf '%s\n' \
                'command|send|Send a command and wait until a responder has carried it out.' \
                'command|respond|Respond to commands: with one answer, or by running COMMAND.'
        case 'query'
            printf '%s\n' \
                'command|send|Send a query and print the answer.' \
                'command|respond|Respond to queries: with one answer, or what COMMAND prints.'
        case 'channel'
            printf '%s\n' \
                'command|list|List the channels with what the server tells of them.' \
                'command|create|Create a channel, so that it is there before its first use.' \
                'command|delete|Delete a channel with all that is in it.'
        case 'bench'
            printf '%s\n' \
                'command|queue|Measure a queue: batches sent, received and acknowledged.' \
                'command|events|Measure events: a stream, all of which every consumer gets.' \
                'command|store|Measure stored events: each answered, and got by every consumer.' \
                'command|cmd|Measure commands: they are sent, carried out and answered.' \
                'command|query|Measure queries: they are sent and answered with their own body.'
        case 'profile'
            printf '%s\n' \
                'command|list|List the profiles, and say which one is current.' \
                'command|show|Show a profile as it is stored.' \
                'command|set|Make a profile, or change what is given of one.' \
                'command|use|Make a profile the current one.' \
                'command|check|Connect with a profile, and say which step fails.' \
                'command|remove|Remove a profile. Asks on a terminal, and needs --yes elsewhere.' \
                'command|rename|Give a profile another name. It stays current if it was.' \
                'command|copy|Make a second profile with all that the first one holds.' \
                'command|path|Print the path of the configuration file.'
        case 'broker'
            printf '%s\n' \
                'command|run|Serve KubeMQ clients from this machine, until SIGINT or SIGTERM.' \
                'command|exec|Run a command with a broker of its own, and end as it ends.'
        case 'queue send'
            printf '%s\n' \
                'argument|channels:queues' \
                'argument|-' \
                'option|--file|file|Take the body from PATH; repeat for more messages.' \
                'option|--metadata|-|The metadata text.' \
                'option|--tag|-|A tag; repeatable.' \
                'option|--id|-|The message\'s id (one message only).' \
                'option|--expire|-|Drop it when it was not received within D.' \
                'option|--delay|-|Hold it back for D.' \
                'option|--max-receives|-|Give up on it after N receives.' \
                'option|--dead-letter|channels:queues|Where it then goes.' \
                'option|--lines||One message a line of the input.' \
                'option|-0 --null||NUL instead of newline between messages.' \
                'option|--delimiter|-|The text between messages; \\n \\t \\0 \\xHH are understood.' \
                'option|--json-lines||One JSON record a line: what `-o json` prints.' \
                'option|--keep-id||Keep the ids of the records.' \
                'option|--rate|-|At most so many messages a second.' \
                'option|--failed|file|Write messages that were not accepted to FILE (lines that are no record are only named).' \
                'option|--unknown|file|Write messages whose answer was lost to FILE.' \
                'option|--retry|-|Send again up to N times, at the risk of doubles.'
        case 'queue receive'
            printf '%s\n' \
                'argument|channels:queues' \
                'handler' \
                'option|--count|-|Stop after N messages.' \
                'option|--all||All that waits when the run begins.' \
                'option|--follow||Keep waiting for more.' \
                'option|--wait|-|Wait so long for the first message.' \
                'option|--idle|-|Stop when nothing came for so long.' \
                'option|--for|-|Stop after so long in all.' \
                'option|--ack|words:after-output,auto|after-output, or auto: at most once.' \
                'option|--concurrency|-|Run up to N handlers at a time.' \
                'option|--on-fail|words:reject,stop,resend=|When a handler fails: reject, resend=CHANNEL, or stop (give back, and take no more).' \
                'option|--handler-timeout|-|Stop a handler that takes longer.' \
                'option|--handler-input|words:body,json|What a handler reads: body, or json for the record.' \
                'option|--grace|-|At the end, let running handlers have so long.' \
                'option|-0 --null||NUL instead of newline between messages.' \
                'option|--delimiter|-|The text between messages; \\n \\t \\0 \\xHH are understood.'
        case 'queue peek'
            printf '%s\n' \
                'argument|channels:queues' \
                'option|--count|-|Stop after N messages.' \
                'option|--all||All that waits when the run begins.' \
                'option|--wait|-|Wait so long for the first message.' \
                'option|-0 --null||NUL instead of newline between messages.' \
                'option|--delimiter|-|The text between messages; \\n \\t \\0 \\xHH are understood.'
        case 'queue ack-all'
            printf '%s\n' \
                'argument|channels:queues' \
                'option|--yes||Do not ask.' \
                'option|--confirm|-|Do not ask: the name of what is destroyed.'
        case 'queue tx'
            printf '%s\n' \
                'argument|channels:queues' \
                'handler' \
                'option|--ack||Print it, then acknowledge it.' \
                'option|--reject||Print it, then reject it.' \
                'option|--resend|channels:queues|Print it, then move it to CHANNEL.' \
                'option|--modify||Print it, then send it changed, in its place.' \
                'option|--metadata|-|--modify: the metadata.' \
                'option|--tag|-|--modify: a tag; repeatable.' \
                'option|--body|-|--modify: the body; `-` reads stdin.' \
                'option|--file|file|--modify: the body, from a file.' \
                'option|--to|channels:queues|--modify: where to; else the same queue.' \
                'option|--visibility|-|Hold it so long; whole seconds.' \
                'option|--wait|-|Wait so long for the first message.' \
                'option|--on-fail|words:reject,stop,resend=|When a handler fails: reject, resend=CHANNEL, or stop (give back, and take no more).' \
                'option|--handler-timeout|-|Stop a handler that takes longer.' \
                'option|--handler-input|words:body,json|What a handler reads: body, or json for the record.' \
                'option|--grace|-|At the end, let running handlers have so long.' \
                'option|-0 --null||NUL instead of newline between messages.' \
                'option|--delimiter|-|The text between messages; \\n \\t \\0 \\xHH are understood.'
        case 'queue move'
            printf '%s\n' \
                'argument|channels:queues' \
                'argument|channels:queues' \
                'option|--count|-|Move N messages at most.' \
                'option|--all||All that waits when the run begins.' \
                'option|--where|-|Only such messages; repeat it for more conditions.' \
                'option|--max-receives|-|A new maximum of receives.' \
                'option|--dead-letter|channels:queues|A new dead-letter queue.' \
                'option|--rate|-|At most so many messages a second.' \
                'option|--dry-run||Only say how many it would be.'
        case 'queue info'
            printf '%s\n' \
                'argument|channels:queues'
        case 'events pub'
            printf '%s\n' \
                'argument|channels:events' \
                'argument|-' \
                'option|--file|file|Take the body from PATH; repeat for more messages.' \
                'option|--metadata|-|The metadata text.' \
                'option|--tag|-|A tag; repeatable.' \
                'option|--id|-|The message\'s id (one message only).' \
                'option|--lines||One message a line of the input.' \
                'option|-0 --null||NUL instead of newline between messages.' \
                'option|--delimiter|-|The text between messages; \\n \\t \\0 \\xHH are understood.' \
                'option|--json-lines||One JSON record a line: what `-o json` prints.' \
                'option|--keep-id||Keep the ids of the records.' \
                'option|--rate|-|At most so many messages a second.' \
                'option|--failed|file|Write messages that were not accepted to FILE (lines that are no record are only named).' \
                'option|--unknown|file|Write messages whose answer was lost to FILE.' \
                'option|--retry|-|Send again up to N times, at the risk of doubles.'
        case 'events sub'
            printf '%s\n' \
                'argument|channels:events' \
                'handler' \
                'option|--group|-|Share what comes with the others of G.' \
                'option|--count|-|Stop after N messages.' \
                'option|--idle|-|Stop when nothing came for so long.' \
                'option|--for|-|Stop after so long in all.' \
                'option|-0 --null||NUL instead of newline between messages.' \
                'option|--delimiter|-|The text between messages; \\n \\t \\0 \\xHH are understood.' \
                'option|--concurrency|-|Run up to N handlers at a time.' \
                'option|--handler-input|words:body,json|What a handler reads: body, or json for the record.' \
                'option|--handler-timeout|-|Stop a handler that takes longer.' \
                'option|--grace|-|At the end, let running handlers have so long.' \
                'option|--ready-file|file|Write PATH once this is live.' \
                'option|--no-reconnect||End with 5 when the connection is lost.'
        case 'store pub'
            printf '%s\n' \
                'argument|channels:events_store' \
                'argument|-' \
                'option|--file|file|Take the body from PATH; repeat for more messages.' \
                'option|--metadata|-|The metadata text.' \
                'option|--tag|-|A tag; repeatable.' \
                'option|--id|-|The message\'s id (one message only).' \
                'option|--lines||One message a line of the input.' \
                'option|-0 --null||NUL instead of newline between messages.' \
                'option|--delimiter|-|The text between messages; \\n \\t \\0 \\xHH are understood.' \
                'option|--json-lines||One JSON record a line: what `-o json` prints.' \
                'option|--keep-id||Keep the ids of the records.' \
                'option|--rate|-|At most so many messages a second.' \
                'option|--failed|file|Write messages that were not accepted to FILE (lines that are no record are only named).' \
                'option|--unknown|file|Write messages whose answer was lost to FILE.' \
                'option|--retry|-|Send again up to N times, at the risk of doubles.'
        case 'store sub'
            printf '%s\n' \
                'argument|channels:events_store' \
                'handler' \
                'option|--from|words:new,first,last|new, first, last, a sequence, a time, or so long ago (2h).' \
                'option|--until|words:now|now, a sequence or a time, inclusive.' \
                'option|--group|-|Share what comes with the others of G.' \
                'option|--durable|-|Let the server keep the position of NAME.' \
                'option|--checkpoint|file|Keep the position in FILE.' \
                'option|--count|-|Stop after N messages.' \
                'option|--idle|-|Stop when nothing came for so long.' \
                'option|--for|-|Stop after so long in all.' \
                'option|-0 --null||NUL instead of newline between messages.' \
                'option|--delimiter|-|The text between messages; \\n \\t \\0 \\xHH are understood.' \
                'option|--concurrency|-|Run up to N handlers at a time.' \
                'option|--handler-input|words:body,json|What a handler reads: body, or json for the record.' \
                'option|--handler-timeout|-|Stop a handler that takes longer.' \
                'option|--grace|-|At the end, let running handlers have so long.' \
                'option|--ready-file|file|Write PATH once this is live.' \
                'option|--no-reconnect||End with 5 when the connection is lost.'
        case 'cmd send'
            printf '%s\n' \
                'argument|channels:commands' \
                'argument|-' \
                'option|--file|file|Take the body from PATH.' \
                'option|--timeout|-|Wait so long for the answer.' \
                'option|--metadata|-|The metadata text.' \
                'option|--tag|-|A tag; repeatable.'
        case 'cmd respond'
            printf '%s\n' \
                'argument|channels:commands' \
                'handler' \
                'option|--ok||Say that every command was carried out.' \
                'option|--error|-|Refuse every request with TEXT.' \
                'option|--group|-|Share what comes with the others of G.' \
                'option|--count|-|Stop after N requests.' \
                'option|--concurrency|-|Run up to N handlers at a time.' \
                'option|--tag|-|A tag; repeatable.' \
                'option|--handler-input|words:body,json|What a handler reads: body, or json for the record.' \
                'option|--handler-output|words:body,json|What a handler writes: body, or json for a record.' \
                'option|--handler-timeout|-|Stop a handler that takes longer.' \
                'option|--grace|-|At the end, let running handlers have so long.' \
                'option|--ready-file|file|Write PATH once this is live.' \
                'option|--no-reconnect||End with 5 when the connection is lost.'
        case 'query send'
            printf '%s\n' \
                'argument|channels:queries' \
                'argument|-' \
                'option|--file|file|Take the body from PATH.' \
                'option|--timeout|-|Wait so long for the answer.' \
                'option|--metadata|-|The metadata text.' \
                'option|--tag|-|A tag; repeatable.' \
                'option|--cache-key|-|Let the server answer from its cache.' \
                'option|--cache-ttl|-|How long it may keep this answer there.'
        case 'query respond'
            printf '%s\n' \
                'argument|channels:queries' \
                'handler' \
                'option|--reply|-|Answer every query so; `-` reads stdin.' \
                'option|--reply-file|file|Answer with what this file holds now.' \
                'option|--echo||Answer every query with itself: body, metadata and tags.' \
                'option|--error|-|Refuse every request with TEXT.' \
                'option|--group|-|Share what comes with the others of G.' \
                'option|--count|-|Stop after N requests.' \
                'option|--concurrency|-|Run up to N handlers at a time.' \
                'option|--metadata|-|The metadata text.' \
                'option|--tag|-|A tag; repeatable.' \
                'option|--handler-input|words:body,json|What a handler reads: body, or json for the record.' \
                'option|--handler-output|words:body,json|What a handler writes: body, or json for a record.' \
                'option|--handler-timeout|-|Stop a handler that takes longer.' \
                'option|--grace|-|At the end, let running handlers have so long.' \
                'option|--ready-file|file|Write PATH once this is live.' \
                'option|--no-reconnect||End with 5 when the connection is lost.'
        case 'channel list'
            printf '%s\n' \
                'argument|words:queues,events,events_store,commands,queries' \
                'option|--filter|-|Only names that hold TEXT.'
        case 'channel create'
            printf '%s\n' \
                'argument|words:queues,events,events_store,commands,queries' \
                'argument|-'
        case 'channel delete'
            printf '%s\n' \
                'argument|words:queues,events,events_store,commands,queries' \
                'argument|channels:@' \
                'option|--yes||Do not ask.' \
                'option|--confirm|-|Do not ask: the name of what is destroyed.'
        case 'top'
            printf '%s\n' \
                'option|--sort|words:name,type,in,out,waiting,messages,size,subscribers,active|name, type, in, out, waiting, messages, size, subscribers, active.' \
                'option|--filter|-|Only names that hold TEXT.' \
                'option|--interval|-|Ask the server so often.'
        case 'ping'
            printf '%s\n' \
                'option|--wait|-|Try for so long until the server answers.' \
                'option|--count|-|Ping so many times.' \
                'option|--interval|-|Pause so long between pings.'
        case 'bench queue'
            printf '%s\n' \
                'option|--producers|-|So many processes send.' \
                'option|--consumers|-|So many processes receive.' \
                'option|--size|-|The size of a body: 32B or more.' \
                'option|--count|-|Measure N messages, however long it takes.' \
                'option|--duration|-|Measure for so long.' \
                'option|--rate|-|Send so many a second in all, at even intervals.' \
                'option|--batch|-|So many messages a request.' \
                'option|--warm-up|-|Before that, send for so long without measuring.' \
                'option|--assert|-|Fail unless this holds, like \'p99<20ms\'; repeatable.' \
                'option|--channel|-|Use this channel, not one of its own.'
        case 'bench events'
            printf '%s\n' \
                'option|--producers|-|So many processes send.' \
                'option|--consumers|-|So many processes receive.' \
                'option|--size|-|The size of a body: 32B or more.' \
                'option|--count|-|Measure N messages, however long it takes.' \
                'option|--duration|-|Measure for so long.' \
                'option|--rate|-|Send so many a second in all, at even intervals.' \
                'option|--warm-up|-|Before that, send for so long without measuring.' \
                'option|--assert|-|Fail unless this holds, like \'p99<20ms\'; repeatable.' \
                'option|--channel|-|Use this channel, not one of its own.'
        case 'bench store'
            printf '%s\n' \
                'option|--producers|-|So many processes send.' \
                'option|--consumers|-|So many processes receive.' \
                'option|--size|-|The size of a body: 32B or more.' \
                'option|--count|-|Measure N messages, however long it takes.' \
                'option|--duration|-|Measure for so long.' \
                'option|--rate|-|Send so many a second in all, at even intervals.' \
                'option|--in-flight|-|So many unanswered at a time, a producer.' \
                'option|--warm-up|-|Before that, send for so long without measuring.' \
                'option|--assert|-|Fail unless this holds, like \'p99<20ms\'; repeatable.' \
                'option|--channel|-|Use this channel, not one of its own.'
        case 'bench cmd'
            printf '%s\n' \
                'option|--producers|-|So many processes send.' \
                'option|--consumers|-|So many processes receive.' \
                'option|--size|-|The size of a body: 32B or more.' \
                'option|--count|-|Measure N messages, however long it takes.' \
                'option|--duration|-|Measure for so long.' \
                'option|--rate|-|Send so many a second in all, at even intervals.' \
                'option|--in-flight|-|So many unanswered at a time, a producer.' \
                'option|--timeout|-|Wait so long for the answer.' \
                'option|--warm-up|-|Before that, send for so long without measuring.' \
                'option|--assert|-|Fail unless this holds, like \'p99<20ms\'; repeatable.' \
                'option|--channel|-|Use this channel, not one of its own.'
        case 'bench query'
            printf '%s\n' \
                'option|--producers|-|So many processes send.' \
                'option|--consumers|-|So many processes receive.' \
                'option|--size|-|The size of a body: 32B or more.' \
                'option|--count|-|Measure N messages, however long it takes.' \
                'option|--duration|-|Measure for so long.' \
                'option|--rate|-|Send so many a second in all, at even intervals.' \
                'option|--in-flight|-|So many unanswered at a time, a producer.' \
                'option|--timeout|-|Wait so long for the answer.' \
                'option|--warm-up|-|Before that, send for so long without measuring.' \
                'option|--assert|-|Fail unless this holds, like \'p99<20ms\'; repeatable.' \
                'option|--channel|-|Use this channel, not one of its own.'
        case 'profile show'
            printf '%s\n' \
                'argument|profiles' \
                'option|--effective||What a command would use now, and where each value comes from.'
        case 'profile set'
            printf '%s\n' \
                'argument|profiles' \
                'option|--token-command|-|Run COMMAND (no shell) for the token.' \
                'option|--default-output|words:auto,human,json,yaml,raw|The form of output on terminals.' \
                'option|--protected --no-protected||Make destructive commands ask for a name.' \
                'option|--unset|words:address,client_id,token,token_file,token_command,tls,output,protected|Take a key out; repeatable.' \
                'option|--current||Make it the current profile.'
        case 'profile use'
            printf '%s\n' \
                'argument|profiles'
        case 'profile check'
            printf '%s\n' \
                'argument|profiles'
        case 'profile remove'
            printf '%s\n' \
                'argument|profiles' \
                'option|--yes||Do not ask.' \
                'option|--confirm|-|Do not ask: the name of what is destroyed.'
        case 'profile rename'
            printf '%s\n' \
                'argument|profiles' \
                'argument|-'
        case 'profile copy'
            printf '%s\n' \
                'argument|profiles' \
                'argument|-'
        case 'broker run'
            printf '%s\n' \
                'option|--listen|-|Where to listen; port 0 takes a free one.' \
                'option|--data|directory|Keep messages in this directory.' \
                'option|--ephemeral||Keep messages in memory only.' \
                'option|--ready-file|file|Write PATH once this is live.'
        case 'broker exec'
            printf '%s\n' \
                'handler' \
                'option|--data|directory|Keep messages in this directory.'
        case 'completion'
            printf '%s\n' \
                'argument|words:bash,zsh,fish' \
                'option|--install||Write it to where that shell looks for it, for this user.'
        case 'help'
            printf '%s\n' \
                'argument|topics:patterns,streams,records,exit-codes,connections,positions,handlers,transactions,recipes,reference'
    end
end

function __kubemqctl_common
    printf '%s\n' \
        'option|-p --profile|profiles|Use this profile.' \
        'option|-a --address|-|The server; repeat it to name others to try in order.' \
        'option|--client-id|-|Speak to the server in this name.' \
        'option|--token-file|file|Send the token that this file holds.' \
        'option|--tls --no-tls||Speak TLS, or do not.' \
        'option|--tls-ca|file|Trust servers that this CA has signed.' \
        'option|--tls-cert|file|Show this client certificate.' \
        'option|--tls-key|file|Its private key.' \
        'option|--tls-server-name|-|Expect this name in the server\'s certificate.' \
        'option|--connect-timeout|-|Give up connecting after so long.' \
        'option|-o --output|words:auto,human,json,yaml,raw|auto, human, json, yaml or raw.' \
        'option|--format|-|Print records like \'{sequence}\\t{tags[kind]}\\t{body}\'.' \
        'option|-q --quiet||Say nothing but errors and warnings.' \
        'option|-v --verbose||Say what a bug report needs.' \
        'option|--no-input||Never ask; fail and name the flag instead.' \
        'option|--version||Print the version and exit.' \
        'option|-h --help||Show this help.'
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
            printf "$before%s\n" (string split , -- (string sub -s 7 -- $kind))
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
    set -l at 1
    for word in $line[2..]
        set at (math $at + 1)
        if test -n "$expected"
            set expected ''
        else if test "$word" = --
            contains handler $rows; or return
            complete -C (string join ' ' -- (string escape -- $line[(math $at + 1)..]) $current)
            return
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
    else if string match -q -- '--*=*' $current
        set -l parts (string split -m 1 = -- $plain)
        __kubemqctl_value (__kubemqctl_kind_of $parts[1] $rows $common) "$parts[1]=" "$parts[2]" "$typed[1]" $line
    else if string match -q -- '-*' $current
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
        set -q arguments[$next]; and __kubemqctl_value $arguments[$next] '' "$plain" "$typed[1]" $line
    end
end

complete -c kubemqctl -e
complete -c kubemqctl -f -a '(__kubemqctl)'
