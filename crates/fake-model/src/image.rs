//! Images that the server "makes": a sun over hills, in the colour that was asked for, and as coarse as
//! one that is not done yet.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{ImageFormat, Rgb, RgbImage};
use serde::{Deserialize, Serialize};

const SIZE: (u32, u32) = (480, 320);

/// What happens to an image in a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageState {
    /// It is begun.
    Begun,
    /// It is shown as it is so far.
    Partial,
    /// It is done.
    Done,
    /// It is not made.
    Failed {
        /// The error's code.
        code: String,
        /// What a moderation took it for; without any, it was another error.
        #[serde(default)]
        categories: Vec<String>,
    },
}

/// An image of what this says, as the file that is sent of it. `coarse` pixels of it are one.
pub(crate) fn draw(prompt: &str, coarse: u32) -> String {
    let (width, height) = SIZE;
    let sky = if prompt.contains("blue") { [70, 130, 220] } else { [245, 150, 90] };
    let image = RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (x / coarse * coarse + coarse / 2, y / coarse * coarse + coarse / 2);
        let (sun_x, sun_y) = (width / 3, height / 3);
        let from_sun = x.abs_diff(sun_x).pow(2) + y.abs_diff(sun_y).pow(2);
        let hill = |from: u32, slope: u32| from + x.abs_diff(width / slope) / slope;
        let fade = |colour: [u32; 3], by: u32| colour.map(|part| part.saturating_sub(by).min(255));
        let colour = if y > hill(height * 2 / 3, 2) {
            fade([46, 84, 66], (y - height / 2) / 8)
        } else if y > hill(height / 2, 4) {
            fade([86, 128, 96], (y - height / 3) / 8)
        } else if from_sun < 42 * 42 {
            [255, 236, 170]
        } else {
            fade(sky, y / 4)
        };
        Rgb(colour.map(|part| u8::try_from(part).unwrap_or(u8::MAX)))
    });
    let mut bytes = Cursor::new(Vec::new());
    // Writing to memory fails for no image that has pixels.
    let _ = image.write_to(&mut bytes, ImageFormat::Png);
    STANDARD.encode(bytes.into_inner())
}
