"""The gRPC messages of KServe's inference protocol, as far as this program speaks them.

`tritonclient` has them all and takes half a second to import. This table, with nothing but protobuf, takes a
tenth; what it does not name, protobuf skips. Names and numbers are those of `grpc_service.proto` and
`model_config.proto`; a map is written as the entries that it is on the wire.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from genai_perf.endpoints.message_tables import message_class, pool_of

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


@cache
def message(name: str) -> Any:
    """The class of one of the messages above. The first call takes a tenth of a second."""
    return message_class(_pool(), f"{_PACKAGE}.{name}")


@cache
def _pool() -> Any:
    return pool_of(_PACKAGE, _MESSAGES)
