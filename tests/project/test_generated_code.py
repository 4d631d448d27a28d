"""The generated code is what the proto says, the proto is the wire contract, and any protobuf reads it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2 as described

from kubemqctl.wire import kubemq_pb2 as pb

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "kubemqctl" / "wire" / "kubemq_pb2.py"

ENUMS = """
StreamRequestType: StreamRequestTypeUnknown=0 ReceiveMessage=1 AckMessage=2 RejectMessage=3
    ModifyVisibility=4 ResendMessage=5 SendModifiedMessage=6
QueuesDownstreamRequestType: PollRequestTypeUnknown=0 Get=1 AckAll=2 AckRange=3 NAckAll=4 NAckRange=5
    ReQueueAll=6 ReQueueRange=7 ActiveOffsets=8 TransactionStatus=9 CloseByClient=10 CloseByServer=11
Subscribe.SubscribeType: SubscribeTypeUndefined=0 Events=1 EventsStore=2 Commands=3 Queries=4
Subscribe.EventsStoreType: EventsStoreTypeUndefined=0 StartNewOnly=1 StartFromFirst=2 StartFromLast=3
    StartAtSequence=4 StartAtTime=5 StartAtTimeDelta=6
Request.RequestType: RequestTypeUnknown=0 Command=1 Query=2
"""

MESSAGES = """
PingResult: Host=1:string Version=2:string ServerStartTime=3:int64 ServerUpTimeSeconds=4:int64
Empty:
Result: EventID=1:string Sent=2:bool Error=3:string
Event: EventID=1:string ClientID=2:string Channel=3:string Metadata=4:string Body=5:bytes Store=6:bool
    Tags=7:map
EventReceive: EventID=1:string Channel=2:string Metadata=3:string Body=4:bytes Timestamp=5:int64
    Sequence=6:uint64 Tags=7:map
Subscribe: SubscribeTypeData=1:SubscribeType ClientID=2:string Channel=3:string Group=4:string
    EventsStoreTypeData=5:EventsStoreType EventsStoreTypeValue=6:int64
Request: RequestID=1:string RequestTypeData=2:RequestType ClientID=3:string Channel=4:string
    Metadata=5:string Body=6:bytes ReplyChannel=7:string Timeout=8:int32 CacheKey=9:string CacheTTL=10:int32
    Span=11:bytes Tags=12:map
Response: ClientID=1:string RequestID=2:string ReplyChannel=3:string Metadata=4:string Body=5:bytes
    CacheHit=6:bool Timestamp=7:int64 Executed=8:bool Error=9:string Span=10:bytes Tags=11:map
QueueMessage: MessageID=1:string ClientID=2:string Channel=3:string Metadata=4:string Body=5:bytes
    Tags=6:map Attributes=7:QueueMessageAttributes Policy=8:QueueMessagePolicy Topic=9:string
    Partition=10:int32 PartitionKey=11:string
QueueMessagesBatchRequest: BatchID=1:string Messages=2:[QueueMessage]
QueueMessagesBatchResponse: BatchID=1:string Results=2:[SendQueueMessageResult] HaveErrors=3:bool
QueueMessageAttributes: Timestamp=1:int64 Sequence=2:uint64 MD5OfBody=3:string ReceiveCount=4:int32
    ReRouted=5:bool ReRoutedFromQueue=6:string ExpirationAt=7:int64 DelayedTo=8:int64
QueueMessagePolicy: ExpirationSeconds=1:int32 DelaySeconds=2:int32 MaxReceiveCount=3:int32
    MaxReceiveQueue=4:string
SendQueueMessageResult: MessageID=1:string SentAt=2:int64 ExpirationAt=3:int64 DelayedTo=4:int64
    IsError=5:bool Error=6:string RefChannel=7:string RefTopic=8:string RefPartition=9:int32
    RefHash=10:string
ReceiveQueueMessagesRequest: RequestID=1:string ClientID=2:string Channel=3:string
    MaxNumberOfMessages=4:int32 WaitTimeSeconds=5:int32 IsPeak=6:bool
ReceiveQueueMessagesResponse: RequestID=1:string Messages=2:[QueueMessage] MessagesReceived=3:int32
    MessagesExpired=4:int32 IsPeak=5:bool IsError=6:bool Error=7:string
AckAllQueueMessagesRequest: RequestID=1:string ClientID=2:string Channel=3:string WaitTimeSeconds=4:int32
AckAllQueueMessagesResponse: RequestID=1:string AffectedMessages=2:uint64 IsError=3:bool Error=4:string
StreamQueueMessagesRequest: RequestID=1:string ClientID=2:string StreamRequestTypeData=3:StreamRequestType
    Channel=4:string VisibilitySeconds=5:int32 WaitTimeSeconds=6:int32 RefSequence=7:uint64
    ModifiedMessage=8:QueueMessage
StreamQueueMessagesResponse: RequestID=1:string StreamRequestTypeData=2:StreamRequestType
    Message=3:QueueMessage IsError=4:bool Error=5:string
QueuesUpstreamRequest: RequestID=1:string Messages=2:[QueueMessage]
QueuesUpstreamResponse: RefRequestID=1:string Results=2:[SendQueueMessageResult] IsError=3:bool
    Error=4:string
QueuesDownstreamRequest: RequestID=1:string ClientID=2:string RequestTypeData=3:QueuesDownstreamRequestType
    Channel=4:string MaxItems=5:int32 WaitTimeout=6:int32 AutoAck=7:bool ReQueueChannel=8:string
    SequenceRange=9:[int64] RefTransactionId=10:string Metadata=12:map
QueuesDownstreamResponse: TransactionId=1:string RefRequestId=2:string
    RequestTypeData=3:QueuesDownstreamRequestType Messages=4:[QueueMessage] ActiveOffsets=5:[int64]
    IsError=6:bool Error=7:string TransactionComplete=8:bool Metadata=9:map
QueueInfo: Name=1:string Messages=2:int64 Bytes=3:int64 FirstSequence=4:int64 LastSequence=5:int64
    Sent=6:int64 Delivered=7:int64 Waiting=8:int64 Subscribers=9:int64
QueuesInfo: TotalQueue=1:int32 Sent=2:int64 Delivered=3:int64 Waiting=4:int64 Queues=5:[QueueInfo]
QueuesInfoRequest: RequestID=1:string QueueName=2:string
QueuesInfoResponse: RefRequestID=1:string Info=2:QueuesInfo
"""

METHODS = """
SendEvent: Event Result
SendEventsStream: stream Event stream Result
SubscribeToEvents: Subscribe stream EventReceive
SubscribeToRequests: Subscribe stream Request
SendRequest: Request Response
SendResponse: Response Empty
SendQueueMessage: QueueMessage SendQueueMessageResult
SendQueueMessagesBatch: QueueMessagesBatchRequest QueueMessagesBatchResponse
ReceiveQueueMessages: ReceiveQueueMessagesRequest ReceiveQueueMessagesResponse
StreamQueueMessage: stream StreamQueueMessagesRequest stream StreamQueueMessagesResponse
AckAllQueueMessages: AckAllQueueMessagesRequest AckAllQueueMessagesResponse
Ping: Empty PingResult
QueuesDownstream: stream QueuesDownstreamRequest stream QueuesDownstreamResponse
QueuesUpstream: stream QueuesUpstreamRequest stream QueuesUpstreamResponse
QueuesInfo: QueuesInfoRequest QueuesInfoResponse
"""

Field = described.FieldDescriptorProto
_SCALARS = {
    Field.TYPE_STRING: "string",
    Field.TYPE_BYTES: "bytes",
    Field.TYPE_BOOL: "bool",
    Field.TYPE_INT32: "int32",
    Field.TYPE_INT64: "int64",
    Field.TYPE_UINT64: "uint64",
}


def table(text: str) -> dict[str, list[str]]:
    """A table above as name -> words; a line that begins with blanks goes on with the one before."""
    lines = re.sub(r"\n +", " ", text.strip()).splitlines()
    return {name: words.split() for name, words in (line.split(":", 1) for line in lines)}


def generated() -> described.FileDescriptorProto:
    """The file as the generated code has it."""
    file = described.FileDescriptorProto()
    pb.DESCRIPTOR.CopyToProto(file)
    return file


def is_map(message: described.DescriptorProto, field: Field) -> bool:
    entries = {entry.name for entry in message.nested_type if entry.options.map_entry}
    return field.type_name.rpartition(".")[2] in entries


def kind(message: described.DescriptorProto, field: Field) -> str:
    """A field's type as the tables spell it."""
    if is_map(message, field):
        return "map"
    name = _SCALARS.get(field.type) or field.type_name.rpartition(".")[2]
    return f"[{name}]" if field.label == Field.LABEL_REPEATED else name


def messages_of(file: described.FileDescriptorProto) -> dict[str, list[str]]:
    return {
        message.name: [f"{field.name}={field.number}:{kind(message, field)}" for field in message.field]
        for message in file.message_type
    }


def enums_of(file: described.FileDescriptorProto) -> dict[str, list[str]]:
    found = {enum.name: enum for enum in file.enum_type}
    for message in file.message_type:
        found.update({f"{message.name}.{enum.name}": enum for enum in message.enum_type})
    return {name: [f"{value.name}={value.number}" for value in enum.value] for name, enum in found.items()}


def methods_of(file: described.FileDescriptorProto) -> dict[str, list[str]]:
    def words(method: described.MethodDescriptorProto) -> Iterator[str]:
        yield from ["stream"] if method.client_streaming else []
        yield method.input_type.rpartition(".")[2]
        yield from ["stream"] if method.server_streaming else []
        yield method.output_type.rpartition(".")[2]

    return {method.name: list(words(method)) for method in file.service[0].method}


def test_every_message_has_the_fields_numbers_and_types_of_the_wire() -> None:
    assert messages_of(generated()) == table(MESSAGES)


def test_every_enum_has_the_values_of_the_wire() -> None:
    assert enums_of(generated()) == table(ENUMS)


def test_the_service_has_the_methods_of_the_wire_and_no_other() -> None:
    assert methods_of(generated()) == table(METHODS)


def test_every_map_is_of_strings_to_strings() -> None:
    entries = [entry for message in generated().message_type for entry in message.nested_type]
    assert len(entries) == 7
    for entry in entries:
        assert [(field.name, field.type) for field in entry.field] == [
            ("key", Field.TYPE_STRING),
            ("value", Field.TYPE_STRING),
        ]


def test_the_package_is_kubemq_and_the_syntax_proto3() -> None:
    file = generated()
    assert (file.package, file.syntax, [service.name for service in file.service]) == (
        "kubemq",
        "proto3",
        ["kubemq"],
    )


@pytest.mark.skipif(
    importlib.util.find_spec("grpc_tools") is None, reason="grpcio-tools is not in this environment"
)
def test_the_generated_code_is_what_the_proto_compiles_to(tmp_path: Path) -> None:
    out = tmp_path / "kubemq.binpb"
    command = [sys.executable, "-m", "grpc_tools.protoc", "-Iproto", f"--descriptor_set_out={out}"]
    subprocess.run([*command, "proto/kubemq.proto"], cwd=ROOT, check=True)
    compiled = described.FileDescriptorSet.FromString(out.read_bytes()).file[0]
    for fresh in (*compiled.message_type, *(n for m in compiled.message_type for n in m.nested_type)):
        for field in fresh.field:
            field.ClearField("json_name")
    assert lines(compiled) == lines(generated()), "run `make proto`"


def lines(file: described.FileDescriptorProto) -> list[str]:
    """A descriptor's text line by line, which pytest can show a difference of."""
    return str(file).splitlines()


def test_the_generated_code_does_not_ask_which_protobuf_reads_it() -> None:
    text = GENERATED.read_text()
    assert "runtime_version" not in text
    assert "Protobuf Python Version: 4.25." in text


def test_this_environment_has_the_protobuf_that_it_is_there_to_show() -> None:
    """`make test` runs this twice: beside the official SDK, which keeps protobuf below 6, and without."""
    major = int(version("protobuf").partition(".")[0])
    if importlib.util.find_spec("kubemq"):
        assert major < 6
    else:
        assert major >= 6
