//! Rows of bits: for each demand set, which columns (agents or triggers) satisfy it.

/// A matrix of bits, one row for each demand set.
#[derive(Clone, Debug)]
pub(super) struct BitMatrix {
    rows: usize,
    words: usize,
    bits: Vec<u64>,
}

impl BitMatrix {
    /// A matrix with all bits as given; columns beyond `columns` stay clear.
    pub(super) fn filled(rows: usize, columns: usize, value: bool) -> Self {
        let words = columns.div_ceil(64);
        let mut bits = vec![if value { u64::MAX } else { 0 }; rows * words];
        if value && !columns.is_multiple_of(64) {
            let last = (1 << (columns % 64)) - 1;
            bits.iter_mut().skip(words - 1).step_by(words).for_each(|word| *word = last);
        }
        Self { rows, words, bits }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn row(&self, row: usize) -> &[u64] {
        &self.bits[row * self.words..(row + 1) * self.words]
    }

    pub(super) fn row_mut(&mut self, row: usize) -> &mut [u64] {
        &mut self.bits[row * self.words..(row + 1) * self.words]
    }

    pub(super) fn set(&mut self, row: usize, column: usize) {
        self.bits[row * self.words + column / 64] |= 1 << (column % 64);
    }

    pub(super) fn clear(&mut self, row: usize, column: usize) {
        self.bits[row * self.words + column / 64] &= !(1 << (column % 64));
    }

    pub(super) fn get(&self, row: usize, column: usize) -> bool {
        self.bits[row * self.words + column / 64] >> (column % 64) & 1 == 1
    }
}

/// Clears one bit of a row.
pub(super) fn clear(words: &mut [u64], place: usize) {
    words[place / 64] &= !(1 << (place % 64));
}

/// The places of the bits that are set, lowest first.
pub(super) fn ones(words: impl IntoIterator<Item = u64>) -> impl Iterator<Item = usize> {
    words.into_iter().enumerate().flat_map(|(place, word)| {
        std::iter::successors((word != 0).then_some(word), |word| {
            let rest = word & (word - 1);
            (rest != 0).then_some(rest)
        })
        .map(move |word| place * 64 + word.trailing_zeros() as usize)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_found_where_they_were_set() {
        let mut matrix = BitMatrix::filled(3, 70, false);
        for column in [0, 63, 64, 69] {
            matrix.set(1, column);
        }
        matrix.clear(1, 63);
        assert_eq!(ones(matrix.row(1).iter().copied()).collect::<Vec<_>>(), [0, 64, 69]);
        assert!(ones(matrix.row(2).iter().copied()).next().is_none());
        assert!(matrix.get(1, 64) && !matrix.get(0, 64));
    }

    #[test]
    fn a_full_row_ends_at_its_last_column() {
        for columns in [1, 63, 64, 65, 128] {
            let matrix = BitMatrix::filled(2, columns, true);
            assert_eq!(ones(matrix.row(1).iter().copied()).count(), columns);
        }
    }
}
