//! What a frame costs from the camera's buffer to the kept picture: `cargo bench` in `firmware/drivers/benches`. The
//! drivers' README has the figures.

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BenchmarkId, Criterion, criterion_main};
use mtcae_drivers::{FrameLayout, PictureDecoder, PixelFormat, Range};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::time::Duration;

const FORMATS: [&str; 9] = ["YUYV", "UYVY", "NV12", "GREY", "RGGB", "RG10", "pRAA", "RG12", "pRCC"];

/// Time the processor worked for this thread: what a share of a core is counted in, however busy the machine is.
struct CpuTime;

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        cpu_time()
    }

    fn end(&self, begin: Duration) -> Duration {
        cpu_time() - begin
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

/// Bytes that are no flat picture.
fn frame(layout: &FrameLayout) -> Vec<u8> {
    let len = layout.checked_len().unwrap_or_default();
    // 16-bit samples stay below 10 bits, as a driver's are.
    let wide = matches!(layout.format.code(), "RG10" | "RG12");
    (0..len).map(|i| if wide && i % 2 == 1 { (i / 7 % 4) as u8 } else { (i * 7 % 251) as u8 }).collect()
}

fn frames(c: &mut Criterion<CpuTime>) {
    for (width, height) in [(640, 480), (1280, 720), (1920, 1080)] {
        let mut group = c.benchmark_group(format!("{width}x{height}"));
        for code in FORMATS {
            let Some(format) = PixelFormat::from_code(code.as_bytes()) else { continue };
            let layout = FrameLayout { format, width, height, stride: 0, range: Range::Limited };
            let bytes = frame(&layout);
            let mut decoder = PictureDecoder::new(640);
            group.bench_with_input(BenchmarkId::from_parameter(code), &bytes, |b, bytes| {
                b.iter(|| decoder.frame(black_box(bytes), &layout));
            });
        }
        group.finish();
    }
}

/// All of them.
fn benches() {
    frames(&mut Criterion::default().with_measurement(CpuTime).sample_size(50).configure_from_args());
}

criterion_main!(benches);
