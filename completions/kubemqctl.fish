# kubemqctl's completion for fish. Made from the command tree by `make completions`.
#
# Words and options are all in here. Names of channels and profiles come from `kubemqctl __complete`, one a
# line; they are strangers' text: fish quotes what is printed here, and nothing of it is ever evaluated.

# $argv[1]: a command's words. Prints its rows: command|WORD|HELP, argument|KIND, rest|KIND (of all words behind
# those), handler, and option|NAMES|KIND|HELP.
function __kubemqctl_table
    switch $argv[1]
        case ''
            printf '%s\n' \
                'command|queue|Send, receive, inspect, move and delete queue messages.' \
                'command|events|Publish events to current subscribers, and subscribe to them.' \
                'command|store|Publish events that are stored, and read them from any position.' \
                'command|cmd|Send commands, and respond to them.' \
                'command|query|Send queries, and respond to them.' \
                'command|expect|Check that messages come, for tests and CI.' \
                'command|channel|List, create and delete channels.' \
                'command|top|Show message rates and backlogs of channels, live.' \
                'command|ping|Check that the server responds, and how fast.' \
                'command|check|Check that a server answers, and how much waits in its queues.' \
                'command|doctor|Diagnose the connection to the server, step by step.' \
                'command|bench|Measure throughput and latency.' \
                'command|profile|Manage named connection settings.' \
                'command|broker|Run a built-in broker for development and tests.' \
                'command|schema|Print a machine-readable description of this program.' \
                'command|completion|Print or install the completion script of a shell.' \
                'command|help|Show help on a topic or a command.' \
                'option|--version||Print the version and exit.'
        case 'queue'
            printf '%s\n' \
                'command|send|Send one or more messages to a queue.' \
                'command|receive|Receive messages: print them, or run COMMAND for each.' \
                'command|peek|Print the first messages of a queue without removing them.' \
                'command|ack-all|Delete all waiting messages of a queue, by acknowledging them.' \
                'command|tx|Receive one message, hold it, and decide what happens to it.' \
                'command|move|Move messages to another queue, for instance dead letters back to work.' \
                'command|copy|Copy messages to another queue, perhaps on another server; the source keeps them.' \
                'command|list|List all queues with their statistics.' \
                'command|info|Show the statistics of a queue. The exit code is 3 if it does not exist.'
        case 'events'
            printf '%s\n' \
                'command|pub|Publish one or more events to current subscribers.' \
                'command|sub|Subscribe to events: print them, or run COMMAND for each.'
        case 'store'
            printf '%s\n' \
                'command|pub|Publish one or more events that are stored.' \
                'command|sub|Read stored events from any position: print them, or run COMMAND for each.' \
                'command|copy|Copy stored events to another channel, perhaps on another server.'
        case 'cmd'
            printf '%s\n' \
                'command|send|Send a command and wait for its result.' \
                'command|respond|Respond to commands: with a fixed response, or by running COMMAND.'
        case 'query'
            printf '%s\n' \
                'command|send|Send a query and print the response.' \
                'command|respond|Respond to queries: with a fixed response, or with what COMMAND prints.'
        case 'expect'
            printf '%s\n' \
                'command|queue|Check that messages are in a queue, or get there when COMMAND runs.' \
                'command|events|Check that events are published, for instance when COMMAND runs.' \
                'command|store|Check that events are stored, from --from on, for instance when COMMAND runs.'
        case 'channel'
            printf '%s\n' \
                'command|list|List channels with their statistics.' \
                'command|create|Create a channel.' \
                'command|delete|Delete a channel and its messages.'
        case 'bench'
            printf '%s\n' \
                'command|queue|Measure a queue: messages sent, received and acknowledged.' \
                'command|events|Measure events: a stream that every consumer receives.' \
                'command|store|Measure stored events: each one confirmed, and received by every consumer.' \
                'command|cmd|Measure commands: requests that are sent and confirmed.' \
                'command|query|Measure queries: requests that are answered with their own body.'
        case 'profile'
            printf '%s\n' \
                'command|list|List all profiles.' \
                'command|show|Show a profile.' \
                'command|set|Create a profile, or change settings of one.' \
                'command|use|Set the current profile.' \
                'command|check|Test the connection of a profile, step by step.' \
                'command|remove|Delete a profile.' \
                'command|rename|Rename a profile. It stays the current one if it was.' \
                'command|copy|Copy a profile.' \
                'command|path|Print the path of the configuration file.'
        case 'broker'
            printf '%s\n' \
                'command|run|Run a broker that KubeMQ clients can use, until SIGINT or SIGTERM.' \
                'command|exec|Run a command together with a temporary broker.'
        case 'queue send'
            printf '%s\n' \
                'argument|channels:queues' \
                'argument|-' \
                'option|--file|file|Read the body from PATH; repeat to send several messages.' \
                'option|--metadata|-|Set the metadata text.' \
                'option|--tag|-|Set a tag; repeat for more tags.' \
                'option|--id|-|Set the message ID; only for a single message.' \
                'option|--expire|-|Discard the message if it is not received within D, in whole seconds.' \
                'option|--delay|-|Deliver the message only after D, in whole seconds.' \
                'option|--max-receives|-|Allow at most N deliveries; then dead-letter or discard the message.' \
                'option|--dead-letter|channels:queues|Dead-letter queue for --max-receives.' \
                'option|--lines||Send each line of the input as a message.' \
                'option|-0 --null||Separate messages by NUL instead of newline.' \
                'option|--delimiter|-|Separate messages by S; \\n \\t \\0 \\xHH are escapes.' \
                'option|--json-lines||Send each line as a JSON record, as `-o json` prints them.' \
                'option|--keep-id||Keep the message IDs of the records.' \
                'option|--keep-channel||Send each record to the channel that it names, without CHANNEL.' \
                'option|--pace|-|Keep the gaps between the times of the records: 1x as they are, 2x half as long.' \
                'option|--encode|words:gzip,zlib,base64|Encode each body as gzip, zlib or base64; repeat to apply several in this order.' \
                'option|--rate|-|Limit the rate, for example to 100/s.' \
                'option|--failed|file|Write messages that were not accepted to FILE, as JSON records.' \
                'option|--unknown|file|Write messages whose outcome is unknown to FILE, as JSON records.' \
                'option|--retry|-|Retry up to N times; this can send a message twice.'
        case 'queue receive'
            printf '%s\n' \
                'argument|channels:queues' \
                'handler' \
                'option|-n --count|-|Stop after N messages.' \
                'option|--all||All messages that are waiting when the run begins.' \
                'option|--follow||Keep waiting for new messages.' \
                'option|--wait|-|Wait up to D for the first message.' \
                'option|--idle|-|Stop when no message has arrived for D.' \
                'option|--for|-|Stop after D in total.' \
                'option|--ack|words:after-output,auto|When to acknowledge: after-output, or auto: on delivery (at most once).' \
                'option|--concurrency|-|Run up to N handlers at the same time.' \
                'option|--on-fail|words:reject,stop,resend=,retry=|If a handler fails: reject; resend=CHANNEL; retry=DELAY[..MAX]; or stop (return the message and end).' \
                'option|--max-attempts|-|Run the handler N times at most for a message, then send it to --dead-letter.' \
                'option|--dead-letter|channels:queues|Where messages go after --max-attempts, with tags.' \
                'option|--persistent||Start the handler once; it reads and answers lines of JSON (help handlers).' \
                'option|--handler-timeout|-|Stop a handler that runs longer than D.' \
                'option|--handler-input|words:body,json|Pass the handler the body on stdin, or the whole record with `json`.' \
                'option|--grace|-|When stopping, wait up to D for running handlers.' \
                'option|--prefix||Begin each line of a handler\'s stderr with #SEQUENCE.' \
                'option|--decode|words:gzip,zlib,base64,protobuf|Decode each body from gzip, zlib, base64 or protobuf; repeat to apply several in this order.' \
                'option|--proto-set|file|Descriptor set for --decode protobuf, as written by protoc --descriptor_set_out.' \
                'option|--proto-type|-|Full name of the message type for --decode protobuf.' \
                'option|-0 --null||Separate messages by NUL instead of newline.' \
                'option|--delimiter|-|Separate messages by S; \\n \\t \\0 \\xHH are escapes.'
        case 'queue peek'
            printf '%s\n' \
                'argument|channels:queues' \
                'option|-n --count|-|Stop after N messages.' \
                'option|--all||All messages that are waiting when the run begins.' \
                'option|--wait|-|Wait up to D for the first message.' \
                'option|--where|words:id=,channel=,metadata=,client_id=,body=,body.,tags.,timestamp=,sequence=,receive_count=,re_routed_from=,expires_at=,delayed_to=,policy.,size=|Only messages for which EXPR holds, such as \'body.id=42\'; repeat for more conditions.' \
                'option|--decode|words:gzip,zlib,base64,protobuf|Decode each body from gzip, zlib, base64 or protobuf; repeat to apply several in this order.' \
                'option|--proto-set|file|Descriptor set for --decode protobuf, as written by protoc --descriptor_set_out.' \
                'option|--proto-type|-|Full name of the message type for --decode protobuf.' \
                'option|-0 --null||Separate messages by NUL instead of newline.' \
                'option|--delimiter|-|Separate messages by S; \\n \\t \\0 \\xHH are escapes.'
        case 'queue ack-all'
            printf '%s\n' \
                'argument|channels:queues' \
                'option|--yes||Do not ask for confirmation.' \
                'option|--confirm|-|Confirm by the name of what is deleted; needed for a protected profile.'
        case 'queue tx'
            printf '%s\n' \
                'argument|channels:queues' \
                'handler' \
                'option|--ack||Acknowledge the message.' \
                'option|--reject||Reject the message.' \
                'option|--resend|channels:queues|Move the message to CHANNEL.' \
                'option|--modify||Replace the message by a changed one.' \
                'option|--metadata|-|New metadata.' \
                'option|--tag|-|Tag to set; repeat for more tags.' \
                'option|--body|-|New body; `-` reads stdin.' \
                'option|--file|file|Read the new body from PATH.' \
                'option|--to|channels:queues|Queue of the changed message. [default: same queue]' \
                'option|--visibility|-|Hold the message for D, in whole seconds.' \
                'option|--wait|-|Wait up to D for the first message.' \
                'option|--on-fail|words:reject,stop,resend=|If a handler fails: reject; resend=CHANNEL; or stop (return the message and end).' \
                'option|--handler-timeout|-|Stop a handler that runs longer than D.' \
                'option|--handler-input|words:body,json|Pass the handler the body on stdin, or the whole record with `json`.' \
                'option|--grace|-|When stopping, wait up to D for running handlers.' \
                'option|--decode|words:gzip,zlib,base64,protobuf|Decode each body from gzip, zlib, base64 or protobuf; repeat to apply several in this order.' \
                'option|--proto-set|file|Descriptor set for --decode protobuf, as written by protoc --descriptor_set_out.' \
                'option|--proto-type|-|Full name of the message type for --decode protobuf.' \
                'option|-0 --null||Separate messages by NUL instead of newline.' \
                'option|--delimiter|-|Separate messages by S; \\n \\t \\0 \\xHH are escapes.'
        case 'queue move'
            printf '%s\n' \
                'argument|channels:queues' \
                'argument|channels:queues' \
                'option|-n --count|-|Move up to N messages.' \
                'option|--all||All messages that are waiting when the run begins.' \
                'option|--where|words:id=,channel=,metadata=,client_id=,body=,body.,tags.,timestamp=,sequence=,receive_count=,re_routed_from=,expires_at=,delayed_to=,policy.,size=|Only messages for which EXPR holds, such as \'body.id=42\'; repeat for more conditions.' \
                'option|--decode|words:gzip,zlib,base64,protobuf|Decode each body from gzip, zlib, base64 or protobuf; repeat to apply several in this order.' \
                'option|--proto-set|file|Descriptor set for --decode protobuf, as written by protoc --descriptor_set_out.' \
                'option|--proto-type|-|Full name of the message type for --decode protobuf.' \
                'option|--max-receives|-|Set a new limit of deliveries.' \
                'option|--dead-letter|channels:queues|Set a new dead-letter queue.' \
                'option|--rate|-|Limit the rate, for example to 100/s.' \
                'option|--dry-run||Only print how many messages would be moved.' \
                'option|--to-profile|profiles|TARGET is on the server of the profile NAME.'
        case 'queue copy'
            printf '%s\n' \
                'argument|channels:queues' \
                'argument|channels:queues' \
                'option|-n --count|-|Copy up to N messages.' \
                'option|--all||All messages that are waiting when the run begins.' \
                'option|--where|words:id=,channel=,metadata=,client_id=,body=,body.,tags.,timestamp=,sequence=,receive_count=,re_routed_from=,expires_at=,delayed_to=,policy.,size=|Only messages for which EXPR holds, such as \'body.id=42\'; repeat for more conditions.' \
                'option|--decode|words:gzip,zlib,base64,protobuf|Decode each body from gzip, zlib, base64 or protobuf; repeat to apply several in this order.' \
                'option|--proto-set|file|Descriptor set for --decode protobuf, as written by protoc --descriptor_set_out.' \
                'option|--proto-type|-|Full name of the message type for --decode protobuf.' \
                'option|--max-receives|-|Set a new limit of deliveries.' \
                'option|--dead-letter|channels:queues|Set a new dead-letter queue.' \
                'option|--rate|-|Limit the rate, for example to 100/s.' \
                'option|--dry-run||Only print how many messages would be copied.' \
                'option|--to-profile|profiles|TARGET is on the server of the profile NAME.'
        case 'queue info'
            printf '%s\n' \
                'argument|channels:queues'
        case 'events pub'
            printf '%s\n' \
                'argument|channels:events' \
                'argument|-' \
                'option|--file|file|Read the body from PATH; repeat to send several messages.' \
                'option|--metadata|-|Set the metadata text.' \
                'option|--tag|-|Set a tag; repeat for more tags.' \
                'option|--id|-|Set the message ID; only for a single message.' \
                'option|--lines||Send each line of the input as a message.' \
                'option|-0 --null||Separate messages by NUL instead of newline.' \
                'option|--delimiter|-|Separate messages by S; \\n \\t \\0 \\xHH are escapes.' \
                'option|--json-lines||Send each line as a JSON record, as `-o json` prints them.' \
                'option|--keep-id||Keep the message IDs of the records.' \
                'option|--keep-channel||Send each record to the channel that it names, without CHANNEL.' \
                'option|--pace|-|Keep the gaps between the times of the records: 1x as they are, 2x half as long.' \
                'option|--encode|words:gzip,zlib,base64|Encode each body as gzip, zlib or base64; repeat to apply several in this order.' \
                'option|--rate|-|Limit the rate, for example to 100/s.' \
                'option|--failed|file|Write messages that were not accepted to FILE, as JSON records.' \
                'option|--unknown|file|Write messages whose outcome is unknown to FILE, as JSON records.' \
                'option|--retry|-|Retry up to N times; this can send a message twice.'
        case 'events sub'
            printf '%s\n' \
                'argument|channels:events' \
                'handler' \
                'option|--group|-|Join the consumer group G: each message goes to one member.' \
                'option|-n --count|-|Stop after N messages.' \
                'option|--idle|-|Stop when no message has arrived for D.' \
                'option|--for|-|Stop after D in total.' \
                'option|-0 --null||Separate messages by NUL instead of newline.' \
                'option|--delimiter|-|Separate messages by S; \\n \\t \\0 \\xHH are escapes.' \
                'option|--concurrency|-|Run up to N handlers at the same time.' \
                'option|--handler-input|words:body,json|Pass the handler the body on stdin, or the whole record with `json`.' \
                'option|--persistent||Start the handler once; it reads and answers lines of JSON (help handlers).' \
                'option|--handler-timeout|-|Stop a handler that runs longer than D.' \
                'option|--grace|-|When stopping, wait up to D for running handlers.' \
                'option|--ready-file|file|Create the file PATH once messages can arrive.' \
                'option|--no-reconnect||Exit with code 5 instead of reconnecting.' \
                'option|--where|words:id=,channel=,metadata=,body=,body.,tags.,timestamp=,received_at=,sequence=,size=|Only messages for which EXPR holds, such as \'body.id=42\'; repeat for more conditions.' \
                'option|--decode|words:gzip,zlib,base64,protobuf|Decode each body from gzip, zlib, base64 or protobuf; repeat to apply several in this order.' \
                'option|--proto-set|file|Descriptor set for --decode protobuf, as written by protoc --descriptor_set_out.' \
                'option|--proto-type|-|Full name of the message type for --decode protobuf.'
        case 'store pub'
            printf '%s\n' \
                'argument|channels:events_store' \
                'argument|-' \
                'option|--file|file|Read the body from PATH; repeat to send several messages.' \
                'option|--metadata|-|Set the metadata text.' \
                'option|--tag|-|Set a tag; repeat for more tags.' \
                'option|--id|-|Set the message ID; only for a single message.' \
                'option|--lines||Send each line of the input as a message.' \
                'option|-0 --null||Separate messages by NUL instead of newline.' \
                'option|--delimiter|-|Separate messages by S; \\n \\t \\0 \\xHH are escapes.' \
                'option|--json-lines||Send each line as a JSON record, as `-o json` prints them.' \
                'option|--keep-id||Keep the message IDs of the records.' \
                'option|--keep-channel||Send each record to the channel that it names, without CHANNEL.' \
                'option|--pace|-|Keep the gaps between the times of the records: 1x as they are, 2x half as long.' \
                'option|--encode|words:gzip,zlib,base64|Encode each body as gzip, zlib or base64; repeat to apply several in this order.' \
                'option|--rate|-|Limit the rate, for example to 100/s.' \
                'option|--failed|file|Write messages that were not accepted to FILE, as JSON records.' \
                'option|--unknown|file|Write messages whose outcome is unknown to FILE, as JSON records.' \
                'option|--retry|-|Retry up to N times; this can send a message twice.'
        case 'store sub'
            printf '%s\n' \
                'argument|channels:events_store' \
                'handler' \
                'option|--from|words:new,first,last|Start: new, first, last, -10 (the last 10), a sequence, a time, a date, or 2h (ago).' \
                'option|--until|words:now|End position, inclusive: now, a sequence, a time, or a date (that day included).' \
                'option|--group|-|Join the consumer group G: each message goes to one member.' \
                'option|--durable|-|Let the server remember the position under NAME.' \
                'option|--checkpoint|file|Remember the position in FILE.' \
                'option|-n --count|-|Stop after N messages.' \
                'option|--idle|-|Stop when no message has arrived for D.' \
                'option|--for|-|Stop after D in total.' \
                'option|-0 --null||Separate messages by NUL instead of newline.' \
                'option|--delimiter|-|Separate messages by S; \\n \\t \\0 \\xHH are escapes.' \
                'option|--concurrency|-|Run up to N handlers at the same time.' \
                'option|--handler-input|words:body,json|Pass the handler the body on stdin, or the whole record with `json`.' \
                'option|--persistent||Start the handler once; it reads and answers lines of JSON (help handlers).' \
                'option|--handler-timeout|-|Stop a handler that runs longer than D.' \
                'option|--grace|-|When stopping, wait up to D for running handlers.' \
                'option|--ready-file|file|Create the file PATH once messages can arrive.' \
                'option|--no-reconnect||Exit with code 5 instead of reconnecting.' \
                'option|--where|words:id=,channel=,metadata=,body=,body.,tags.,timestamp=,received_at=,sequence=,size=|Only messages for which EXPR holds, such as \'body.id=42\'; repeat for more conditions.' \
                'option|--decode|words:gzip,zlib,base64,protobuf|Decode each body from gzip, zlib, base64 or protobuf; repeat to apply several in this order.' \
                'option|--proto-set|file|Descriptor set for --decode protobuf, as written by protoc --descriptor_set_out.' \
                'option|--proto-type|-|Full name of the message type for --decode protobuf.'
        case 'store copy'
            printf '%s\n' \
                'argument|channels:events_store' \
                'argument|channels:events_store' \
                'option|--from|words:new,first,last|Start: new, first, last, -10 (the last 10), a sequence, a time, a date, or 2h (ago).' \
                'option|--until|words:now|End position, inclusive: now, a sequence, a time, or a date (that day included).' \
                'option|--follow||Keep copying what is published.' \
                'option|--checkpoint|file|Remember the position in FILE.' \
                'option|--where|words:id=,channel=,metadata=,body=,body.,tags.,timestamp=,received_at=,sequence=,size=|Only messages for which EXPR holds, such as \'body.id=42\'; repeat for more conditions.' \
                'option|--decode|words:gzip,zlib,base64,protobuf|Decode each body from gzip, zlib, base64 or protobuf; repeat to apply several in this order.' \
                'option|--proto-set|file|Descriptor set for --decode protobuf, as written by protoc --descriptor_set_out.' \
                'option|--proto-type|-|Full name of the message type for --decode protobuf.' \
                'option|--rate|-|Limit the rate, for example to 100/s.' \
                'option|--to-profile|profiles|TARGET is on the server of the profile NAME.' \
                'option|--ready-file|file|Create the file PATH once messages can arrive.'
        case 'cmd send'
            printf '%s\n' \
                'argument|channels:commands' \
                'argument|-' \
                'option|--file|file|Read the body from PATH.' \
                'option|--timeout|-|Wait up to D for the response.' \
                'option|--metadata|-|Set the metadata text.' \
                'option|--tag|-|Set a tag; repeat for more tags.' \
                'option|--lines||Send each line of the input as a message.' \
                'option|-0 --null||Separate messages by NUL instead of newline.' \
                'option|--delimiter|-|Separate messages by S; \\n \\t \\0 \\xHH are escapes.' \
                'option|--json-lines||Send each line as a JSON record, as `-o json` prints them.' \
                'option|--keep-id||Keep the message IDs of the records.' \
                'option|--keep-channel||Send each record to the channel that it names, without CHANNEL.' \
                'option|--pace|-|Keep the gaps between the times of the records: 1x as they are, 2x half as long.' \
                'option|--encode|words:gzip,zlib,base64|Encode each body as gzip, zlib or base64; repeat to apply several in this order.' \
                'option|--rate|-|Limit the rate, for example to 100/s.' \
                'option|--concurrency|-|Send up to N requests at the same time.'
        case 'cmd respond'
            printf '%s\n' \
                'argument|channels:commands' \
                'handler' \
                'option|--ok||Confirm every command as executed.' \
                'option|--error|-|Refuse every request with the error message TEXT.' \
                'option|--group|-|Join the consumer group G: each message goes to one member.' \
                'option|-n --count|-|Stop after N requests.' \
                'option|--concurrency|-|Run up to N handlers at the same time.' \
                'option|--tag|-|Set a tag; repeat for more tags.' \
                'option|--handler-input|words:body,json|Pass the handler the body on stdin, or the whole record with `json`.' \
                'option|--handler-output|words:body,json|Read the handler\'s stdout as the body, or as a whole record with `json`.' \
                'option|--persistent||Start the handler once; it reads and answers lines of JSON (help handlers).' \
                'option|--handler-timeout|-|Stop a handler that runs longer than D.' \
                'option|--grace|-|When stopping, wait up to D for running handlers.' \
                'option|--decode|words:gzip,zlib,base64,protobuf|Decode each body from gzip, zlib, base64 or protobuf; repeat to apply several in this order.' \
                'option|--proto-set|file|Descriptor set for --decode protobuf, as written by protoc --descriptor_set_out.' \
                'option|--proto-type|-|Full name of the message type for --decode protobuf.' \
                'option|--ready-file|file|Create the file PATH once messages can arrive.' \
                'option|--background||Start it detached, and return when it is live.' \
                'option|--log|file|With --background: append its output to FILE.' \
                'option|--no-reconnect||Exit with code 5 instead of reconnecting.'
        case 'query send'
            printf '%s\n' \
                'argument|channels:queries' \
                'argument|-' \
                'option|--file|file|Read the body from PATH.' \
                'option|--timeout|-|Wait up to D for the response.' \
                'option|--metadata|-|Set the metadata text.' \
                'option|--tag|-|Set a tag; repeat for more tags.' \
                'option|--cache-key|-|Let the server answer from its cache, under the key K.' \
                'option|--cache-ttl|-|How long the server caches the response, in whole seconds.' \
                'option|--lines||Send each line of the input as a message.' \
                'option|-0 --null||Separate messages by NUL instead of newline.' \
                'option|--delimiter|-|Separate messages by S; \\n \\t \\0 \\xHH are escapes.' \
                'option|--json-lines||Send each line as a JSON record, as `-o json` prints them.' \
                'option|--keep-id||Keep the message IDs of the records.' \
                'option|--keep-channel||Send each record to the channel that it names, without CHANNEL.' \
                'option|--pace|-|Keep the gaps between the times of the records: 1x as they are, 2x half as long.' \
                'option|--encode|words:gzip,zlib,base64|Encode each body as gzip, zlib or base64; repeat to apply several in this order.' \
                'option|--decode|words:gzip,zlib,base64,protobuf|Decode each body from gzip, zlib, base64 or protobuf; repeat to apply several in this order.' \
                'option|--proto-set|file|Descriptor set for --decode protobuf, as written by protoc --descriptor_set_out.' \
                'option|--proto-type|-|Full name of the message type for --decode protobuf.' \
                'option|--rate|-|Limit the rate, for example to 100/s.' \
                'option|--concurrency|-|Send up to N requests at the same time.'
        case 'query respond'
            printf '%s\n' \
                'argument|channels:queries' \
                'handler' \
                'option|--reply|-|Respond with this body; `-` reads stdin.' \
                'option|--reply-file|file|Respond with the content of PATH, as it is at the start.' \
                'option|--echo||Respond with the body, metadata and tags of the query.' \
                'option|--error|-|Refuse every request with the error message TEXT.' \
                'option|--group|-|Join the consumer group G: each message goes to one member.' \
                'option|-n --count|-|Stop after N requests.' \
                'option|--concurrency|-|Run up to N handlers at the same time.' \
                'option|--metadata|-|Set the metadata text.' \
                'option|--tag|-|Set a tag; repeat for more tags.' \
                'option|--handler-input|words:body,json|Pass the handler the body on stdin, or the whole record with `json`.' \
                'option|--handler-output|words:body,json|Read the handler\'s stdout as the body, or as a whole record with `json`.' \
                'option|--persistent||Start the handler once; it reads and answers lines of JSON (help handlers).' \
                'option|--handler-timeout|-|Stop a handler that runs longer than D.' \
                'option|--grace|-|When stopping, wait up to D for running handlers.' \
                'option|--decode|words:gzip,zlib,base64,protobuf|Decode each body from gzip, zlib, base64 or protobuf; repeat to apply several in this order.' \
                'option|--proto-set|file|Descriptor set for --decode protobuf, as written by protoc --descriptor_set_out.' \
                'option|--proto-type|-|Full name of the message type for --decode protobuf.' \
                'option|--ready-file|file|Create the file PATH once messages can arrive.' \
                'option|--background||Start it detached, and return when it is live.' \
                'option|--log|file|With --background: append its output to FILE.' \
                'option|--no-reconnect||Exit with code 5 instead of reconnecting.'
        case 'expect queue'
            printf '%s\n' \
                'argument|channels:queues' \
                'handler' \
                'option|--where|words:id=,channel=,metadata=,client_id=,body=,body.,tags.,timestamp=,sequence=,receive_count=,re_routed_from=,expires_at=,delayed_to=,policy.,size=|Only messages for which EXPR holds, such as \'body.id=42\'; repeat for more conditions.' \
                'option|--never|words:id=,channel=,metadata=,client_id=,body=,body.,tags.,timestamp=,sequence=,receive_count=,re_routed_from=,expires_at=,delayed_to=,policy.,size=|Fail when EXPR holds for any message; repeatable.' \
                'option|-n --count|-|Expect at least N.' \
                'option|--exactly|-|Expect N, neither more nor fewer.' \
                'option|--none||Expect none.' \
                'option|--within|-|Wait up to D, from the end of COMMAND if there is one.' \
                'option|--take||Acknowledge what matched if all holds; only for queues that nobody else drains.' \
                'option|--ready-file|file|Create the file PATH once the channel is watched.' \
                'option|--decode|words:gzip,zlib,base64,protobuf|Decode each body from gzip, zlib, base64 or protobuf; repeat to apply several in this order.' \
                'option|--proto-set|file|Descriptor set for --decode protobuf, as written by protoc --descriptor_set_out.' \
                'option|--proto-type|-|Full name of the message type for --decode protobuf.' \
                'option|-0 --null||Separate messages by NUL instead of newline.' \
                'option|--delimiter|-|Separate messages by S; \\n \\t \\0 \\xHH are escapes.'
        case 'expect events'
            printf '%s\n' \
                'argument|channels:events' \
                'handler' \
                'option|--where|words:id=,channel=,metadata=,body=,body.,tags.,timestamp=,received_at=,sequence=,size=|Only messages for which EXPR holds, such as \'body.id=42\'; repeat for more conditions.' \
                'option|--never|words:id=,channel=,metadata=,body=,body.,tags.,timestamp=,received_at=,sequence=,size=|Fail when EXPR holds for any message; repeatable.' \
                'option|-n --count|-|Expect at least N.' \
                'option|--exactly|-|Expect N, neither more nor fewer.' \
                'option|--none||Expect none.' \
                'option|--within|-|Wait up to D, from the end of COMMAND if there is one.' \
                'option|--ready-file|file|Create the file PATH once the channel is watched.' \
                'option|--decode|words:gzip,zlib,base64,protobuf|Decode each body from gzip, zlib, base64 or protobuf; repeat to apply several in this order.' \
                'option|--proto-set|file|Descriptor set for --decode protobuf, as written by protoc --descriptor_set_out.' \
                'option|--proto-type|-|Full name of the message type for --decode protobuf.' \
                'option|-0 --null||Separate messages by NUL instead of newline.' \
                'option|--delimiter|-|Separate messages by S; \\n \\t \\0 \\xHH are escapes.'
        case 'expect store'
            printf '%s\n' \
                'argument|channels:events_store' \
                'handler' \
                'option|--from|words:new,first,last|Start: new, first, last, -10 (the last 10), a sequence, a time, a date, or 2h (ago).' \
                'option|--where|words:id=,channel=,metadata=,body=,body.,tags.,timestamp=,received_at=,sequence=,size=|Only messages for which EXPR holds, such as \'body.id=42\'; repeat for more conditions.' \
                'option|--never|words:id=,channel=,metadata=,body=,body.,tags.,timestamp=,received_at=,sequence=,size=|Fail when EXPR holds for any message; repeatable.' \
                'option|-n --count|-|Expect at least N.' \
                'option|--exactly|-|Expect N, neither more nor fewer.' \
                'option|--none||Expect none.' \
                'option|--within|-|Wait up to D, from the end of COMMAND if there is one.' \
                'option|--ready-file|file|Create the file PATH once the channel is watched.' \
                'option|--decode|words:gzip,zlib,base64,protobuf|Decode each body from gzip, zlib, base64 or protobuf; repeat to apply several in this order.' \
                'option|--proto-set|file|Descriptor set for --decode protobuf, as written by protoc --descriptor_set_out.' \
                'option|--proto-type|-|Full name of the message type for --decode protobuf.' \
                'option|-0 --null||Separate messages by NUL instead of newline.' \
                'option|--delimiter|-|Separate messages by S; \\n \\t \\0 \\xHH are escapes.'
        case 'channel list'
            printf '%s\n' \
                'argument|words:queues,events,events_store,commands,queries' \
                'option|--filter|-|Show only names that contain TEXT.'
        case 'channel create'
            printf '%s\n' \
                'argument|words:queues,events,events_store,commands,queries' \
                'argument|-'
        case 'channel delete'
            printf '%s\n' \
                'argument|words:queues,events,events_store,commands,queries' \
                'argument|channels:@' \
                'option|--yes||Do not ask for confirmation.' \
                'option|--confirm|-|Confirm by the name of what is deleted; needed for a protected profile.'
        case 'top'
            printf '%s\n' \
                'option|--sort|words:name,type,in,out,waiting,messages,size,subscribers,active|Sort by: name, type, in, out, waiting, messages, size, subscribers, active.' \
                'option|--filter|-|Show only names that contain TEXT.' \
                'option|--interval|-|Time between two updates.'
        case 'ping'
            printf '%s\n' \
                'option|--wait|-|Keep trying for up to D until the server responds.' \
                'option|-n --count|-|Send N pings.' \
                'option|--interval|-|Time between pings.'
        case 'check'
            printf '%s\n' \
                'argument|words:queue' \
                'rest|channels:queues' \
                'option|--warn|words:waiting>,messages>,bytes>,subscribers>,oldest>,round_trip>|Warn when EXPR holds; repeatable.' \
                'option|--critical|words:waiting>,messages>,bytes>,subscribers>,oldest>,round_trip>|Report a failure when EXPR holds; repeatable.' \
                'option|--nagios||Print one line and end with 0 to 3, as a plugin of Nagios does.'
        case 'bench queue'
            printf '%s\n' \
                'option|--producers|-|Number of sending processes.' \
                'option|--consumers|-|Number of receiving processes.' \
                'option|--size|-|Size of a message body, at least 32B.' \
                'option|-n --count|-|Measure N messages, instead of --duration.' \
                'option|--duration|-|How long to measure.' \
                'option|--rate|-|Send at this total rate, at even intervals, for example 500/s.' \
                'option|--batch|-|Messages in a request.' \
                'option|--warm-up|-|How long to send before the measurement begins.' \
                'option|--assert|-|Fail if this does not hold, for example \'p99<20ms\'; repeatable.' \
                'option|--channel|-|Use this channel instead of a new one.'
        case 'bench events'
            printf '%s\n' \
                'option|--producers|-|Number of sending processes.' \
                'option|--consumers|-|Number of receiving processes.' \
                'option|--size|-|Size of a message body, at least 32B.' \
                'option|-n --count|-|Measure N messages, instead of --duration.' \
                'option|--duration|-|How long to measure.' \
                'option|--rate|-|Send at this total rate, at even intervals, for example 500/s.' \
                'option|--warm-up|-|How long to send before the measurement begins.' \
                'option|--assert|-|Fail if this does not hold, for example \'p99<20ms\'; repeatable.' \
                'option|--channel|-|Use this channel instead of a new one.'
        case 'bench store'
            printf '%s\n' \
                'option|--producers|-|Number of sending processes.' \
                'option|--consumers|-|Number of receiving processes.' \
                'option|--size|-|Size of a message body, at least 32B.' \
                'option|-n --count|-|Measure N messages, instead of --duration.' \
                'option|--duration|-|How long to measure.' \
                'option|--rate|-|Send at this total rate, at even intervals, for example 500/s.' \
                'option|--in-flight|-|Unanswered messages of a producer at a time.' \
                'option|--warm-up|-|How long to send before the measurement begins.' \
                'option|--assert|-|Fail if this does not hold, for example \'p99<20ms\'; repeatable.' \
                'option|--channel|-|Use this channel instead of a new one.'
        case 'bench cmd'
            printf '%s\n' \
                'option|--producers|-|Number of sending processes.' \
                'option|--consumers|-|Number of responding processes.' \
                'option|--size|-|Size of a message body, at least 32B.' \
                'option|-n --count|-|Measure N messages, instead of --duration.' \
                'option|--duration|-|How long to measure.' \
                'option|--rate|-|Send at this total rate, at even intervals, for example 500/s.' \
                'option|--in-flight|-|Unanswered messages of a producer at a time.' \
                'option|--timeout|-|Wait up to D for the response.' \
                'option|--warm-up|-|How long to send before the measurement begins.' \
                'option|--assert|-|Fail if this does not hold, for example \'p99<20ms\'; repeatable.' \
                'option|--channel|-|Use this channel instead of a new one.' \
                'option|--existing|channels:commands|Measure the responders that are there on CHANNEL, instead of own ones.'
        case 'bench query'
            printf '%s\n' \
                'option|--producers|-|Number of sending processes.' \
                'option|--consumers|-|Number of responding processes.' \
                'option|--size|-|Size of a message body, at least 32B.' \
                'option|-n --count|-|Measure N messages, instead of --duration.' \
                'option|--duration|-|How long to measure.' \
                'option|--rate|-|Send at this total rate, at even intervals, for example 500/s.' \
                'option|--in-flight|-|Unanswered messages of a producer at a time.' \
                'option|--timeout|-|Wait up to D for the response.' \
                'option|--warm-up|-|How long to send before the measurement begins.' \
                'option|--assert|-|Fail if this does not hold, for example \'p99<20ms\'; repeatable.' \
                'option|--channel|-|Use this channel instead of a new one.' \
                'option|--existing|channels:queries|Measure the responders that are there on CHANNEL, instead of own ones.'
        case 'profile show'
            printf '%s\n' \
                'argument|profiles' \
                'option|--effective||Show the settings in effect now, and where each one comes from.'
        case 'profile set'
            printf '%s\n' \
                'argument|profiles' \
                'option|--token-command|-|Run COMMAND, without a shell, to get the token.' \
                'option|--default-output|words:auto,human,json,yaml,raw|Default output format on terminals.' \
                'option|--protected --no-protected||Let destructive commands ask for the name of what they delete.' \
                'option|--read-only --no-read-only||Refuse every command that changes the server.' \
                'option|--unset|words:address,client_id,token,token_file,token_command,tls,output,protected,read_only|Remove a setting; repeat for more.' \
                'option|--current||Make this the current profile.'
        case 'profile use'
            printf '%s\n' \
                'argument|profiles'
        case 'profile check'
            printf '%s\n' \
                'argument|profiles'
        case 'profile remove'
            printf '%s\n' \
                'argument|profiles' \
                'option|--yes||Do not ask for confirmation.' \
                'option|--confirm|-|Confirm by the name of what is deleted; needed for a protected profile.'
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
                'option|--listen|-|Address to listen on; port 0 picks a free port.' \
                'option|--data|directory|Store messages in DIR.' \
                'option|--ephemeral||Keep messages in memory only.' \
                'option|--fault|words:latency=,error=,cut=,lose-answer=,redeliver=|Fail on purpose, such as error=1%; repeatable.' \
                'option|--fault-seed|-|Draw the same faults as another run with this N.' \
                'option|--like|words:community-2.4|Behave as SERVER does: community-2.4.' \
                'option|--ready-file|file|Write HOST:PORT to PATH once calls are accepted.' \
                'option|--background||Start it detached, and return when it is live.' \
                'option|--log|file|With --background: append its output to FILE.'
        case 'broker exec'
            printf '%s\n' \
                'handler' \
                'option|--data|directory|Store messages in DIR.' \
                'option|--fault|words:latency=,error=,cut=,lose-answer=,redeliver=|Fail on purpose, such as error=1%; repeatable.' \
                'option|--fault-seed|-|Draw the same faults as another run with this N.' \
                'option|--like|words:community-2.4|Behave as SERVER does: community-2.4.'
        case 'completion'
            printf '%s\n' \
                'argument|words:bash,zsh,fish' \
                'option|--install||Install the script for this user.'
        case 'help'
            printf '%s\n' \
                'argument|topics:patterns,streams,records,exit-codes,connections,positions,handlers,transactions,conditions,expect,copying,recipes,reference'
    end
end

function __kubemqctl_common
    printf '%s\n' \
        'option|-p --profile|profiles|Use the profile NAME.' \
        'option|-a --address|-|Address of the server; repeat for fallbacks, which are tried in order.' \
        'option|--client-id|-|Client ID that the server sees.' \
        'option|--token-file|file|Read the authentication token from PATH.' \
        'option|--tls --no-tls||Use TLS, or do not.' \
        'option|--tls-ca|file|CA certificate that the server\'s certificate is verified with.' \
        'option|--tls-cert|file|Client certificate, for mutual TLS.' \
        'option|--tls-key|file|Private key of the client certificate.' \
        'option|--tls-server-name|-|Host name that the server\'s certificate must have.' \
        'option|--connect-timeout|-|Time limit for connecting to an address.' \
        'option|--connect-wait|-|At the start, keep trying for up to D while the server cannot be reached.' \
        'option|-o --output|words:auto,human,json,yaml,raw,prometheus|Output format: auto, human, json, yaml, raw (listings of channels: prometheus).' \
        'option|--json||The same as -o json.' \
        'option|--format|-|Print each record by a template, such as \'{sequence}\\t{body}\'.' \
        'option|-q --quiet||Print only errors and warnings to stderr.' \
        'option|-v --verbose||Print details for bug reports to stderr.' \
        'option|--no-input||Never prompt; fail instead, and name the missing option.' \
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
