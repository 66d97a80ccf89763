//! Colours that people of every colour vision tell apart.

/// A colour with its opacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Color {
    pub(crate) red: u8,
    pub(crate) green: u8,
    pub(crate) blue: u8,
    /// 255 hides what is behind.
    pub(crate) alpha: u8,
}

/// The paper.
pub(crate) const WHITE: Color = Color::rgb(0xff_ff_ff);
/// Headings and names.
pub(crate) const INK: Color = Color::rgb(0x1c_1e_21);
/// Second lines and numbers.
pub(crate) const GREY: Color = Color::rgb(0x5a_5f_66);
/// Axes.
pub(crate) const AXIS: Color = Color::rgb(0x9a_9f_a6);
/// Lines that help the eye.
pub(crate) const GRID: Color = Color::rgb(0xe9_eb_ee);
/// The first series, and what is usual.
pub(crate) const BLUE: Color = Color::rgb(0x00_72_b2);
/// What a person should look at: thresholds, attacks, unlikely steps.
pub(crate) const WARNING: Color = Color::rgb(0xd5_5e_00);

/// One colour a series, after Okabe and Ito (2008), without the yellow that white paper swallows.
pub(crate) const SERIES: [Color; 7] = [
    BLUE,
    WARNING,
    Color::rgb(0x00_9e_73),
    Color::rgb(0xcc_79_a7),
    Color::rgb(0xe6_9f_00),
    Color::rgb(0x56_b4_e9),
    Color::rgb(0x55_55_55),
];

impl Color {
    /// Opaque, from 0xRRGGBB.
    pub(crate) const fn rgb(value: u32) -> Self {
        let [_, red, green, blue] = value.to_be_bytes();
        Color {
            red,
            green,
            blue,
            alpha: 255,
        }
    }

    /// The same, this opaque: 0 to 1.
    pub(crate) fn opacity(self, share: f32) -> Self {
        Color {
            alpha: (share.clamp(0.0, 1.0) * 255.0).round() as u8,
            ..self
        }
    }

    /// From this one to another, by this share.
    pub(crate) fn towards(self, other: Color, share: f32) -> Self {
        let mix = |from: u8, to: u8| {
            let (from, to) = (f32::from(from), f32::from(to));
            (from + (to - from) * share.clamp(0.0, 1.0)).round() as u8
        };
        Color {
            red: mix(self.red, other.red),
            green: mix(self.green, other.green),
            blue: mix(self.blue, other.blue),
            alpha: mix(self.alpha, other.alpha),
        }
    }
}
