//! Weights laid out as the kernels read them: in panels of a few vectors of columns, row after row.

use crate::simd::Isa;

/// Vectors of columns in a panel, at most.
pub(crate) const VECTORS: usize = 3;

/// Vectors of columns in a panel: with the rows of a tile they fill the registers, of which processors with eight lanes have 16
/// and the others 32.
#[inline(always)]
pub(crate) fn vectors(lanes: usize) -> usize {
    if lanes == 8 { 2 } else { VECTORS }
}

/// One line of the cache.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "read through pointers")] [u8; 64]);

/// Memory that starts at a cache line: a vector load that crosses one costs two.
struct Lines(Vec<Line>);

impl Lines {
    fn of<T: Copy>(values: &[T]) -> Lines {
        let bytes = std::mem::size_of_val(values);
        let mut lines = vec![Line([0; 64]); bytes.div_ceil(64)];
        // SAFETY: the lines hold at least as many bytes, and plain numbers have no padding.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr().cast::<u8>(), lines.as_mut_ptr().cast(), bytes) };
        Lines(lines)
    }

    fn as_ptr<T>(&self) -> *const T {
        self.0.as_ptr().cast()
    }
}

/// A panel of columns.
#[derive(Clone, Copy)]
pub(crate) struct Panel {
    /// Its first column.
    pub(crate) column: usize,
    /// Its vectors, 1 to [`VECTORS`].
    pub(crate) vectors: usize,
    /// Columns before it, padding counted.
    padded: usize,
}

/// How `columns` are cut into panels of vectors of `lanes`.
pub(crate) fn panels(columns: usize, lanes: usize) -> impl Iterator<Item = Panel> {
    let all = columns.div_ceil(lanes);
    (0..all).step_by(vectors(lanes)).map(move |v| Panel {
        column: v * lanes,
        vectors: vectors(lanes).min(all - v),
        padded: v * lanes,
    })
}

/// An f32 weight `[rows, columns]` and a bias for each column.
pub(crate) struct Floats {
    pub(crate) isa: Isa,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    weight: Lines,
    bias: Lines,
}

impl Floats {
    /// `weight` is row by row; `bias` has `columns` numbers, or none.
    pub(crate) fn new(isa: Isa, weight: &[f32], columns: usize, bias: &[f32]) -> Floats {
        let lanes = isa.lanes();
        let rows = weight.len() / columns;
        let padded = columns.next_multiple_of(lanes);
        let mut packed = Vec::with_capacity(rows * padded);
        for panel in panels(columns, lanes) {
            let width = panel.vectors * lanes;
            for row in weight.chunks_exact(columns) {
                let there = &row[panel.column..columns.min(panel.column + width)];
                packed.extend_from_slice(there);
                packed.resize(packed.len() + width - there.len(), 0.0);
            }
        }
        let mut bias = bias.to_vec();
        bias.resize(padded, 0.0);
        Floats { isa, rows, columns, weight: Lines::of(&packed), bias: Lines::of(&bias) }
    }

    /// Where a panel starts; its rows follow each other.
    pub(crate) fn panel(&self, panel: Panel) -> *const f32 {
        // SAFETY: `panel` is one of `panels(self.columns, lanes)`, which lie behind each other.
        unsafe { self.weight.as_ptr::<f32>().add(panel.padded * self.rows) }
    }

    /// The bias of a panel's columns, padded.
    pub(crate) fn bias(&self, panel: Panel) -> *const f32 {
        // SAFETY: as above.
        unsafe { self.bias.as_ptr::<f32>().add(panel.padded) }
    }
}

/// An int8 weight `[rows, columns]`, `rows` a multiple of four, with a scale and a bias for each column.
pub(crate) struct Bytes {
    pub(crate) isa: Isa,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    weight: Lines,
    start: Lines,
    scale: Lines,
    bias: Lines,
}

impl Bytes {
    /// `weight` is row by row; `zero_point` is the byte of what it is multiplied with that stands for 0.
    pub(crate) fn new(isa: Isa, weight: &[i8], scale: &[f32], bias: &[f32], zero_point: u8) -> Bytes {
        let (lanes, columns) = (isa.lanes(), scale.len());
        let rows = weight.len() / columns;
        let padded = columns.next_multiple_of(lanes);
        let mut packed = Vec::with_capacity(rows * padded);
        for panel in panels(columns, lanes) {
            for four in weight.chunks_exact(4 * columns) {
                for column in panel.column..panel.column + panel.vectors * lanes {
                    let of = |k: usize| if column < columns { four[k * columns + column] } else { 0 };
                    packed.extend([of(0), of(1), of(2), of(3)]);
                }
            }
        }
        let mut start = vec![0i32; padded];
        for row in weight.chunks_exact(columns) {
            let taken = i32::from(zero_point) - isa.offset();
            start.iter_mut().zip(row).for_each(|(s, w)| *s -= taken * i32::from(*w));
        }
        let padded = |values: &[f32]| {
            let mut values = values.to_vec();
            values.resize(padded, 0.0);
            Lines::of(&values)
        };
        Bytes {
            isa,
            rows,
            columns,
            weight: Lines::of(&packed),
            start: Lines::of(&start),
            scale: padded(scale),
            bias: padded(bias),
        }
    }

    /// Where a panel starts: for each four rows, four weights of each column.
    pub(crate) fn panel(&self, panel: Panel) -> *const i8 {
        // SAFETY: `panel` is one of `panels(self.columns, lanes)`, which lie behind each other.
        unsafe { self.weight.as_ptr::<i8>().add(panel.padded * self.rows) }
    }

    /// What a panel's sums start from, so that the zero point is taken away.
    pub(crate) fn start(&self, panel: Panel) -> *const i32 {
        // SAFETY: as above.
        unsafe { self.start.as_ptr::<i32>().add(panel.padded) }
    }

    /// The scale of a panel's columns, padded.
    pub(crate) fn scale(&self, panel: Panel) -> *const f32 {
        // SAFETY: as above.
        unsafe { self.scale.as_ptr::<f32>().add(panel.padded) }
    }

    /// The bias of a panel's columns, padded.
    pub(crate) fn bias(&self, panel: Panel) -> *const f32 {
        // SAFETY: as above.
        unsafe { self.bias.as_ptr::<f32>().add(panel.padded) }
    }
}
