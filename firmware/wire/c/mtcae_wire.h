/**
 * @file
 * What a board and its robot say to each other, for programs in C: version 2 of the protocol.
 *
 * C99. No allocation, no recursion, no floating point; of the C library only memcpy and memset. ../README.md says what
 * goes over the line and what the fields mean; this decoder refuses exactly what the one in Rust refuses.
 *
 * mtcae_wire.c is the decoder, mtcae_request.c the requests.
 *
 *     mtcae_decoder decoder;                           one for each line
 *     mtcae_up message;                                one for each line, or one for all
 *     mtcae_decoder_init(&decoder);
 *     ...for each byte that came:
 *     if (mtcae_decoder_push(&decoder, byte, &message) == MTCAE_MESSAGE && message.kind == MTCAE_REPORT)
 *         use(&message.as.report);
 *
 * Places are in steps of 1/8192 of the image's width (x, w) or height (y, h), from -8192 to 16384, top-left origin. Shares
 * (confidence, scores) are in steps of 1/8192 from 0 to 8192. Texts end with a zero byte, are UTF-8 and hold no
 * control character. Times `_us` are microseconds of the board's monotonic clock. Counters wrap at 2^32.
 */
#ifndef MTCAE_WIRE_H
#define MTCAE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The version of the messages, in the low seven bits of a frame's first byte. */
#define MTCAE_VERSION 2
/** The largest frame from a board, in bytes, with its delimiter. */
#define MTCAE_MAX_FRAME 256
/** Room that every request of this header fits into, in bytes, with its delimiter. */
#define MTCAE_MAX_REQUEST 32
/** Steps that make 1.0 in a place or a share. */
#define MTCAE_SCALE 8192
/** The most expressions of a model. */
#define MTCAE_MAX_LABELS 8
/** Landmarks of a face, as seen in the image: left eye, right eye, nose, left mouth corner, right mouth corner. */
#define MTCAE_LANDMARKS 5

/** The kinds of messages from a board; the numbers are those on the line. */
typedef enum {
    MTCAE_HELLO = 0,
    MTCAE_REPORT = 1,
    MTCAE_STATUS = 2,
    MTCAE_LOG = 3,
    MTCAE_PONG = 4,
    MTCAE_ACK = 5,
    MTCAE_NACK = 6,
    MTCAE_SLOTS = 7,
    MTCAE_UPDATE_STATE = 8,
    MTCAE_UPDATE_REFUSED = 9,
    MTCAE_CAMERA_MODE = 10
} mtcae_kind;

/** Who the board is; sent at its start and as the answer to mtcae_encode_hello. */
typedef struct {
    uint8_t protocol;                  /**< the highest version the board speaks */
    uint32_t boot;                     /**< random, new at every start of the board's program */
    char device[32 + 1];               /**< the board's own name */
    char firmware[24 + 1];             /**< version of the firmware */
    char model[24 + 1];                /**< name of the model */
    char model_version[20 + 1];        /**< version of the model */
    char engine[24 + 1];               /**< what really runs the model */
    uint8_t label_count;               /**< expressions of the model, at most 8 */
    char labels[MTCAE_MAX_LABELS][12 + 1]; /**< their names, all different, in the order of the scores */
} mtcae_hello;

/** A point of the image, in places. */
typedef struct {
    int16_t x, y;
} mtcae_point;

/** An upright box of the image, in places; `w` and `h` are not negative. */
typedef struct {
    int16_t x, y, w, h;
} mtcae_area;

/** How a face's label came about. */
typedef enum { MTCAE_UNSURE, MTCAE_HOLDING, MTCAE_STABLE } mtcae_smoothing;

/** What makes an answer doubtful; mtcae_face.quality is a sum of these. */
enum {
    MTCAE_SMALL = 1,    /**< too few pixels */
    MTCAE_DARK = 2,     /**< too dark, or without contrast */
    MTCAE_OBLIQUE = 4,  /**< turned too far away */
    MTCAE_OCCLUDED = 8, /**< partly hidden or outside the image */
    MTCAE_PARTIAL = 16  /**< the clip is not full yet */
};

/** A face, its place, and its expression. */
typedef struct {
    uint32_t id;                            /**< the same for the same face while it is followed */
    mtcae_area area;                        /**< its box */
    mtcae_point landmarks[MTCAE_LANDMARKS]; /**< in the order of MTCAE_LANDMARKS */
    uint16_t confidence;                    /**< share: how sure it is that this is a face */
    uint8_t score_count;                    /**< at most 8 */
    uint16_t scores[MTCAE_MAX_LABELS];      /**< shares, in the order of mtcae_hello.labels */
    int16_t label;                          /**< index into `scores`; -1 exactly when `smoothing` is unsure */
    mtcae_smoothing smoothing;              /**< how the label came about */
    uint8_t quality;                        /**< MTCAE_SMALL and so on, added */
} mtcae_face;

/** One answer of the network. */
typedef struct {
    uint32_t boot;          /**< mtcae_hello.boot */
    uint32_t seq;           /**< counts reports from 0; a gap is a loss, or what a subscription leaves out */
    uint64_t captured_us;   /**< when the clip's newest picture was taken */
    uint32_t age_us;        /**< from then to the sending */
    uint16_t width, height; /**< of the camera's picture, in pixels */
    uint32_t dropped;       /**< reports that were lost on the board */
    uint8_t faces;          /**< followed at that moment; 0 exactly when `has_face` is false */
    bool has_face;          /**< whether `face` means anything */
    mtcae_face face;        /**< one of them */
} mtcae_report;

/** State of the camera. */
typedef enum {
    MTCAE_CAMERA_STARTING,
    MTCAE_CAMERA_STREAMING,
    MTCAE_CAMERA_LOST,
    MTCAE_CAMERA_ENDED,
    MTCAE_CAMERA_OFF,
    MTCAE_CAMERA_PRIVATE
} mtcae_camera_state;

/** State of what reports are sent to. */
typedef enum { MTCAE_SINK_CONNECTING, MTCAE_SINK_CONNECTED, MTCAE_SINK_LOST } mtcae_sink_state;

/** How a part of the board is. */
typedef enum { MTCAE_UNKNOWN, MTCAE_GOOD, MTCAE_STRAINED, MTCAE_BAD } mtcae_condition;

/** Median and 99th percentile of a time, in microseconds. */
typedef struct {
    uint32_t p50_us, p99_us;
} mtcae_percentiles;

/** How the board is; sent every few seconds and on a change. */
typedef struct {
    uint32_t boot;                /**< mtcae_hello.boot */
    uint64_t uptime_ms;           /**< since the start of the board's program */
    bool has_unix_offset;         /**< whether the board knows the time */
    int64_t unix_offset_us;       /**< `captured_us` + this = microseconds since 1970 */
    char engine[24 + 1];          /**< what really runs the model */
    mtcae_camera_state camera;    /**< the camera */
    mtcae_sink_state sink;        /**< the worst of the sinks */
    uint32_t frames, clips, reports, dropped_frames, dropped_reports, bad_received, reconnects; /**< counted */
    uint16_t fps_tenths;          /**< pictures a second lately, in tenths */
    bool has_temperature;         /**< whether the board has a sensor */
    int16_t temperature_tenths_c; /**< of the processor, in tenths of a degree Celsius */
    uint32_t rss_kib;             /**< memory of the board's program, in KiB */
    mtcae_percentiles decode, crop, infer, outputs, encode;       /**< time of each stage lately */
    mtcae_condition engine_part, storage, temperature, memory, clock; /**< how the parts are */
    uint16_t clips_tenths;        /**< most clips a second as of now, in tenths */
} mtcae_status;

/** How serious a log line is. */
typedef enum { MTCAE_LEVEL_ERROR, MTCAE_LEVEL_WARN, MTCAE_LEVEL_INFO, MTCAE_LEVEL_DEBUG } mtcae_level;

/** A line of the board's log. */
typedef struct {
    mtcae_level level;  /**< how serious it is */
    uint64_t at_us;     /**< when */
    char text[200 + 1]; /**< what */
} mtcae_log;

/** The answer to a ping. */
typedef struct {
    uint32_t token;    /**< of the ping */
    uint64_t board_us; /**< when the ping was read */
} mtcae_pong;

/** A request was carried out. */
typedef struct {
    uint32_t token; /**< of the request */
} mtcae_ack;

/** Why a request was refused. */
typedef enum { MTCAE_UNSUPPORTED, MTCAE_BAD_VALUE, MTCAE_BUSY, MTCAE_FAILED } mtcae_reason;

/** A request was refused. */
typedef struct {
    uint32_t token;      /**< of the request */
    mtcae_reason reason; /**< why, for the program */
    char detail[96 + 1]; /**< why, for a person */
} mtcae_nack;

/** How far a slot is trusted. */
typedef enum { MTCAE_WRITING, MTCAE_READY, MTCAE_TRIAL, MTCAE_CONFIRMED, MTCAE_SLOT_FAILED } mtcae_slot_state;

/** One of two slots. */
typedef struct {
    bool used;                 /**< false: empty, and the rest means nothing */
    uint32_t transfer;         /**< the file it was made from */
    char version[20 + 1];      /**< version of the bundle */
    uint32_t security_counter; /**< the bundle's security counter */
    mtcae_slot_state state;    /**< how far it is trusted */
} mtcae_slot;

/** Two slots for the same thing. */
typedef struct {
    int8_t active;       /**< the one that runs: 0 slot A, 1 slot B, -1 none */
    mtcae_slot slots[2]; /**< slot A, slot B */
} mtcae_slot_pair;

/** What the board's slots hold. */
typedef struct {
    uint32_t token;                /**< of the request */
    char family[32 + 1];           /**< the board's family */
    mtcae_slot_pair model, daemon; /**< slots for models and for the board's program */
    int16_t trial_starts_left;     /**< starts left to what is on trial; -1 when nothing is, or when it waits for a person */
    uint32_t security_counter;     /**< the lowest accepted */
    uint64_t free_bytes;           /**< room for a new bundle */
} mtcae_slots;

/** What a board does with the file of an update. */
typedef enum {
    MTCAE_IDLE,
    MTCAE_RECEIVING,
    MTCAE_VERIFYING,
    MTCAE_VERIFIED,
    MTCAE_INSTALLING,
    MTCAE_INSTALLED
} mtcae_update_phase;

/** How far an update is, in chunks of 1024 bytes. */
typedef struct {
    uint32_t token;               /**< of the newest request about updates, 0 before the first */
    uint32_t transfer;            /**< the file; 0 while idle */
    mtcae_update_phase phase;     /**< what is done with it */
    uint32_t chunks;              /**< of the file */
    uint32_t durable, received;   /**< from the file's start: kept through a power cut; there */
    uint64_t later_low, later_high; /**< bit i of the two: chunk `received` + 1 + i is there */
    uint16_t window;              /**< chunks below `durable` + `window` are taken; at most 128 */
    uint32_t checked;             /**< read back for the final check */
} mtcae_update_state;

/** Why an update was refused. */
typedef enum {
    MTCAE_WRONG_BOARD,
    MTCAE_NO_SPACE,
    MTCAE_OLDER_COUNTER,
    MTCAE_ALREADY_INSTALLED,
    MTCAE_UPDATE_BUSY,
    MTCAE_STORAGE,
    MTCAE_DAMAGED,
    MTCAE_NOT_TRUSTED,
    MTCAE_UNUSABLE,
    MTCAE_NOT_ALLOWED
} mtcae_refusal;

/** An update was refused. */
typedef struct {
    uint32_t token;        /**< of the newest request about updates */
    uint32_t transfer;     /**< the file */
    mtcae_refusal refusal; /**< why, for the program */
    char detail[96 + 1];   /**< why, for a person */
} mtcae_update_refused;

/** Format, size and rate of a camera's pictures. */
typedef struct {
    char format[8 + 1];     /**< the pixel format's letters, "YUYV" for example */
    uint16_t width, height; /**< pixels */
    uint16_t fps_tenths;    /**< most pictures a second, in tenths; 0 when the driver does not say */
} mtcae_mode;

/** One of the camera's modes. */
typedef struct {
    uint32_t token;        /**< of the request */
    uint16_t index, count; /**< place in the list, below its length */
    mtcae_mode mode;       /**< which */
    bool current;          /**< it is the one in use */
    bool readable;         /**< the board can use its format */
} mtcae_camera_mode;

/** A message from a board. */
typedef struct {
    mtcae_kind kind; /**< says which of `as` it is */
    union {
        mtcae_hello hello;
        mtcae_report report;
        mtcae_status status;
        mtcae_log log;
        mtcae_pong pong;
        mtcae_ack ack;
        mtcae_nack nack;
        mtcae_slots slots;
        mtcae_update_state update_state;
        mtcae_update_refused update_refused;
        mtcae_camera_mode camera_mode;
    } as;
} mtcae_up;

/** What a byte brought. After an error the decoder has already skipped to the delimiter, or does so. */
typedef enum {
    MTCAE_NOTHING,      /**< no end of a frame yet */
    MTCAE_MESSAGE,      /**< a message */
    MTCAE_OVERLONG,     /**< no delimiter within 256 bytes: wrong baud rate, or not this protocol */
    MTCAE_FRAMING,      /**< the codes of COBS do not fit; `detail`: bytes that came */
    MTCAE_SHORT,        /**< less than the shortest message; `detail`: bytes of content */
    MTCAE_CHECKSUM,     /**< the line changed or lost something */
    MTCAE_DIRECTION,    /**< a frame to a board: the line echoes */
    MTCAE_OTHER_VERSION, /**< another version of the protocol; `detail`: which */
    MTCAE_UNKNOWN_KIND, /**< a message that this header does not know yet; `detail`: its kind */
    MTCAE_BODY,         /**< out of range, bytes missing or left over; `detail`: the kind. The board has a bug */
    MTCAE_INVALID       /**< fields that contradict each other; `detail`: the kind. The board has a bug */
} mtcae_result;

/** Turns bytes into messages; holds at most one frame. */
typedef struct {
    uint8_t bytes[MTCAE_MAX_FRAME - 1]; /**< the frame so far */
    uint8_t len;                        /**< bytes of it */
    bool skipping;                      /**< the rest of an overlong frame is being skipped */
    uint8_t detail;                     /**< of the last error: see mtcae_result */
    uint32_t good, bad, overlong;       /**< messages; errors; overlong ones among them; each stops at 2^32 - 1 */
} mtcae_decoder;

/** Makes a decoder that has seen nothing. */
void mtcae_decoder_init(mtcae_decoder *decoder);

/** Forgets a frame begun, as after the line was closed; keeps the counts. */
void mtcae_decoder_reset(mtcae_decoder *decoder);

/** Takes the next byte. Only when it gives MTCAE_MESSAGE does `message` hold one; after an error it holds anything. */
mtcae_result mtcae_decoder_push(mtcae_decoder *decoder, uint8_t byte, mtcae_up *message);

/** Requests of a token alone; the numbers are those on the line. */
typedef enum {
    MTCAE_PING = 1,               /**< answered by a pong */
    MTCAE_SLOTS_QUERY = 3,        /**< answered by slots */
    MTCAE_UPDATE_QUERY = 5,       /**< answered by an update state */
    MTCAE_CONFIRM = 7,            /**< keeps the version on trial; ack or nack */
    MTCAE_ROLLBACK = 8,           /**< goes back to the version before; ack or nack */
    MTCAE_CAMERA_MODES_QUERY = 11 /**< answered by camera modes and then an ack, or a nack */
} mtcae_request;

/** What a camera is told. */
typedef enum { MTCAE_STOP, MTCAE_START, MTCAE_CHOOSE } mtcae_camera_action;

/** What is to be sent over a line. */
typedef struct {
    bool reports;               /**< reports at all */
    uint16_t report_every_ms;   /**< least time between two of a face, in ms; 0 for every one */
    bool statuses;              /**< statuses at all, beyond those on a change */
    uint32_t status_every_ms;   /**< time between two, in ms, at least 100 */
    bool logs;                  /**< log lines at all */
    mtcae_level log;            /**< those as serious as this or more */
} mtcae_subscription;

/*
 * Requests. Each writes one frame into `frame` and gives its length in bytes, or 0 when the board would refuse it.
 * `token` comes back in the answer. After opening a line send one zero byte first: it ends what the board heard before.
 */

/** Asks for the board's hello. */
size_t mtcae_encode_hello(uint8_t frame[MTCAE_MAX_REQUEST]);
/** Asks for something that needs a token alone. */
size_t mtcae_encode_request(uint8_t frame[MTCAE_MAX_REQUEST], mtcae_request request, uint32_t token);
/** Tells the board the time, in microseconds since 1970-01-01 00:00 UTC. */
size_t mtcae_encode_set_time(uint8_t frame[MTCAE_MAX_REQUEST], uint32_t token, uint64_t unix_us);
/** Asks for the newest lines of the log, at most `lines`; they come oldest first, and then an ack. */
size_t mtcae_encode_logs_query(uint8_t frame[MTCAE_MAX_REQUEST], uint32_t token, uint8_t lines);
/** Stops or starts the camera, or chooses the mode nearest to `mode`, which else may be NULL. */
size_t mtcae_encode_camera(uint8_t frame[MTCAE_MAX_REQUEST], uint32_t token, mtcae_camera_action action,
                           const mtcae_mode *mode);
/** Chooses what is sent over this line, until the next hello request or another peer. */
size_t mtcae_encode_subscribe(uint8_t frame[MTCAE_MAX_REQUEST], uint32_t token, const mtcae_subscription *wanted);

/** CRC-32/ISO-HDLC of `len` bytes. */
uint32_t mtcae_checksum(const uint8_t *bytes, size_t len);
/** Whether a text of `len` bytes is UTF-8 without control characters (U+0000 to U+001F, U+007F to U+009F). */
bool mtcae_printable(const uint8_t *text, size_t len);

#ifdef __cplusplus
}
#endif

#endif
