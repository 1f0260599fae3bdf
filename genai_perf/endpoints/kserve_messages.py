"""The gRPC messages of KServe's inference protocol, as far as this program speaks them.

`tritonclient` has them all and takes half a second to import. This table, with nothing but protobuf, takes a
tenth; what it does not name, protobuf skips. Names and numbers are those of `grpc_service.proto` and
`model_config.proto`; a map is written as the entries that it is on the wire.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

_PACKAGE = "inference"

_MESSAGES: Mapping[str, str] = {
    # inference
    "InferParameter": "1 bool_param bool, 2 int64_param int64, 3 string_param string, 4 double_param double",
    "Parameter": "1 key string, 2 value InferParameter",
    "InputTensor": "1 name string, 2 datatype string, 3 shape int64*",
    "RequestedOutput": "1 name string",
    "ModelInferRequest": "1 model_name string, 2 model_version string, 3 id string, 4 parameters Parameter*, "
    "5 inputs InputTensor*, 6 outputs RequestedOutput*, 7 raw_input_contents bytes*",
    "Contents": "1 bool_contents bool*, 2 int_contents int32*, 3 int64_contents int64*, "
    "4 uint_contents uint32*, 5 uint64_contents uint64*, 6 fp32_contents float*, "
    "7 fp64_contents double*, 8 bytes_contents bytes*",
    "OutputTensor": "1 name string, 2 datatype string, 3 shape int64*, 5 contents Contents",
    "ModelInferResponse": "1 model_name string, 2 model_version string, 3 id string, "
    "4 parameters Parameter*, 5 outputs OutputTensor*, 6 raw_output_contents bytes*",
    "ModelStreamInferResponse": "1 error_message string, 2 infer_response ModelInferResponse",
    # what a model is
    "ModelMetadataRequest": "1 name string, 2 version string",
    "TensorMetadata": "1 name string, 2 datatype string, 3 shape int64*",
    "ModelMetadataResponse": "1 name string, 2 versions string*, 3 platform string, "
    "4 inputs TensorMetadata*, 5 outputs TensorMetadata*",
    "ModelConfigRequest": "1 name string, 2 version string",
    "ModelInput": "1 name string, 8 optional bool",
    "TransactionPolicy": "1 decoupled bool",
    "EnsembleStep": "1 model_name string",
    "Ensemble": "1 step EnsembleStep*",
    "ModelConfig": "1 name string, 4 max_batch_size int32, 5 input ModelInput*, "
    "15 ensemble_scheduling Ensemble, 19 model_transaction_policy TransactionPolicy",
    "ModelConfigResponse": "1 config ModelConfig",
    # which models there are
    "RepositoryIndexRequest": "1 repository_name string, 2 ready bool",
    "ModelIndex": "1 name string, 2 version string, 3 state string, 4 reason string",
    "RepositoryIndexResponse": "1 models ModelIndex*",
    # what they did
    "ModelStatisticsRequest": "1 name string, 2 version string",
    "StatisticDuration": "1 count uint64, 2 ns uint64",
    "InferStatistics": "1 success StatisticDuration, 2 fail StatisticDuration, 3 queue StatisticDuration, "
    "4 compute_input StatisticDuration, 5 compute_infer StatisticDuration, "
    "6 compute_output StatisticDuration, 7 cache_hit StatisticDuration, 8 cache_miss StatisticDuration",
    "ModelStatistics": "1 name string, 2 version string, 4 inference_count uint64, "
    "5 execution_count uint64, 6 inference_stats InferStatistics",
    "ModelStatisticsResponse": "1 model_stats ModelStatistics*",
}
"""By message: number, name and type of each field; `*` is repeated."""

_SCALARS = ("double", "float", "int64", "uint64", "int32", "bool", "string", "bytes", "uint32")


@cache
def message(name: str) -> Any:
    """The class of one of the messages above. The first call takes a tenth of a second."""
    from google.protobuf.message_factory import GetMessageClass

    return GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{name}"))


@cache
def _pool() -> Any:
    """All messages in a pool of their own: another package in this process may know the same names."""
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool

    kind, label = FieldDescriptorProto.Type.Value, FieldDescriptorProto.Label.Value
    # proto2, in which a field that is set is sent, whatever its value: a parameter may well be False
    file = FileDescriptorProto(name="kserve_messages.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _MESSAGES.items():
        described = file.message_type.add(name=name)
        for field in fields.split(", "):
            number, field_name, type_name = field.split()
            is_repeated = type_name.endswith("*")
            type_name = type_name.rstrip("*")
            row = described.field.add(name=field_name, number=int(number))
            row.label = label("LABEL_REPEATED" if is_repeated else "LABEL_OPTIONAL")
            if type_name in _SCALARS:
                row.type = kind(f"TYPE_{type_name.upper()}")
            else:
                row.type = kind("TYPE_MESSAGE")
                row.type_name = f".{_PACKAGE}.{type_name}"
    pool = DescriptorPool()
    pool.Add(file)
    return pool
