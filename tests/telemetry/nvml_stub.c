/* A stand-in for NVIDIA's management library, which the real Python bindings load.
 *
 * It knows nothing by itself: every call reads the file that NVML_STUB names, lines of `key value`, so that a test
 * changes what the GPUs say while the program runs. `!N` instead of a value is the error N of NVML; what is not
 * there is not supported (3). Keys: `count`, then for GPU 0 `0.power_mw`, for its MIG instance in place 1
 * `0/1.used`, for a field value `0.field82`.
 *
 * nvmlDeviceGetDecoderUtilization is left out, as a function is that a driver is too old for.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, GPU_IS_LOST = 15, UNKNOWN = 999 };

#define PLACES 7

/* A handle is a number: GPU * 100, plus 1 + place for an instance; 1 is added so that none is NULL. */
static int gpu_of(void *handle) { return ((int)(intptr_t)handle - 1) / 100; }
static int place_of(void *handle) { return ((int)(intptr_t)handle - 1) % 100 - 1; }
static void *handle_of(int gpu, int place) { return (void *)(intptr_t)(gpu * 100 + place + 2); }

static int look_up(const char *key, char *text) {
  const char *name = getenv("NVML_STUB");
  FILE *file = name ? fopen(name, "r") : NULL;
  char line[256], found[128];
  int result = NOT_SUPPORTED;
  if (!file) return UNKNOWN;
  while (fgets(line, sizeof line, file))
    if (sscanf(line, "%127s %127[^\n]", found, text) == 2 && !strcmp(found, key)) {
      result = text[0] == '!' ? atoi(text + 1) : SUCCESS;
      break;
    }
  fclose(file);
  return result;
}

static int of_device(void *handle, const char *what, char *text) {
  char key[128];
  if (place_of(handle) < 0)
    snprintf(key, sizeof key, "%d.%s", gpu_of(handle), what);
  else
    snprintf(key, sizeof key, "%d/%d.%s", gpu_of(handle), place_of(handle), what);
  return look_up(key, text);
}

static int number(void *handle, const char *what, unsigned long long *value) {
  char text[128];
  int result = of_device(handle, what, text);
  if (result == SUCCESS) *value = strtoull(text, NULL, 10);
  return result;
}

static int small(void *handle, const char *what, unsigned *value) {
  unsigned long long wide = 0;
  int result = number(handle, what, &wide);
  if (result == SUCCESS) *value = (unsigned)wide;
  return result;
}

int nvmlInitWithFlags(unsigned flags) {
  char text[128];
  int result = look_up("init", text);
  (void)flags;
  return result == NOT_SUPPORTED ? SUCCESS : result;
}
int nvmlShutdown(void) { return SUCCESS; }

const char *nvmlErrorString(int error) {
  switch (error) {
    case NOT_SUPPORTED: return "Not Supported";
    case 9: return "Driver Not Loaded";
    case GPU_IS_LOST: return "GPU is lost";
  }
  return "Unknown Error";
}

int nvmlDeviceGetCount_v2(unsigned *count) {
  char text[128];
  int result = look_up("count", text);
  if (result == SUCCESS) *count = (unsigned)atoi(text);
  return result;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
  *handle = handle_of((int)index, -1);
  return SUCCESS;
}

static int words(void *handle, const char *what, char *text, unsigned size) {
  char found[128];
  int result = of_device(handle, what, found);
  if (result == SUCCESS) snprintf(text, size, "%s", found);
  return result;
}
int nvmlDeviceGetUUID(void *handle, char *text, unsigned size) { return words(handle, "uuid", text, size); }
int nvmlDeviceGetName(void *handle, char *text, unsigned size) { return words(handle, "name", text, size); }

int nvmlDeviceGetPowerUsage(void *handle, unsigned *mw) { return small(handle, "power_mw", mw); }
int nvmlDeviceGetEnforcedPowerLimit(void *handle, unsigned *mw) { return small(handle, "limit_mw", mw); }
int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *mj) {
  return number(handle, "energy_mj", mj);
}

int nvmlDeviceGetMemoryInfo(void *handle, unsigned long long *memory /* total, free, used */) {
  int result = number(handle, "total", &memory[0]);
  if (result == SUCCESS) result = number(handle, "used", &memory[2]);
  memory[1] = memory[0] - memory[2];
  return result;
}

int nvmlDeviceGetUtilizationRates(void *handle, unsigned *percent /* GPU, memory */) {
  int result = small(handle, "gpu_percent", &percent[0]);
  percent[1] = percent[0] / 2;
  return result;
}

int nvmlDeviceGetEncoderUtilization(void *handle, unsigned *percent, unsigned *period_us) {
  *period_us = 167000;
  return small(handle, "encoder_percent", percent);
}

int nvmlDeviceGetClockInfo(void *handle, int clock, unsigned *mhz) {
  return small(handle, clock == 1 ? "sm_mhz" : "memory_mhz", mhz);
}

int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *celsius) {
  return sensor ? INVALID_ARGUMENT : small(handle, "celsius", celsius);
}

typedef struct {
  uint32_t field, scope;
  int64_t timestamp, latency_us;
  int32_t type, result;
  union {
    double real;
    unsigned small;
    unsigned long long wide;
  } value;
} field_value;

int nvmlDeviceGetFieldValues(void *handle, int count, field_value *values) {
  for (int i = 0; i < count; i++) {
    char what[32];
    unsigned long long wide = 0;
    snprintf(what, sizeof what, "field%u", values[i].field);
    values[i].result = number(handle, what, &wide);
    if (values[i].field == 82) { /* the memory's temperature is an unsigned int, the others are wider */
      values[i].type = 1;
      values[i].value.small = (unsigned)wide;
    } else {
      values[i].type = 3;
      values[i].value.wide = wide;
    }
  }
  return SUCCESS;
}

int nvmlDeviceGetMigMode(void *handle, unsigned *now, unsigned *pending) {
  *pending = 0;
  return small(handle, "mig", now);
}
int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *count) {
  (void)handle;
  *count = PLACES;
  return SUCCESS;
}
int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned place, void **instance) {
  unsigned id;
  *instance = handle_of(gpu_of(handle), (int)place);
  return small(*instance, "instance", &id) == SUCCESS ? SUCCESS : NOT_FOUND;
}
int nvmlDeviceGetGpuInstanceId(void *handle, unsigned *id) { return small(handle, "instance", id); }
