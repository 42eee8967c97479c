//! Small images of large ones.

use std::{io::Cursor, sync::Arc};

use bytes::Bytes;
use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits,
    codecs::jpeg::JpegEncoder,
};
use tokio::sync::Semaphore;

/// Pixels of a preview's longer side, at most.
const SIDE: u32 = 640;
/// Pixels of an image: more than any camera's.
const MAX_PIXELS: u64 = 100_000_000;
/// Pixels of an image's side.
const MAX_SIDE: u32 = 30_000;
/// Bytes that an image may take when it is decoded.
pub(crate) const MAX_DECODED_BYTES: u64 = 400 * 1024 * 1024;
/// As photographs on pages usually have.
const JPEG_QUALITY: u8 = 82;

/// Why there is no preview, in words for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PreviewError {
    /// It would take too much to show it.
    #[error("the image is too large to be shown ({width} × {height} pixels); send a smaller one")]
    TooLarge {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// It cannot be read.
    #[error("the image cannot be read; it may be damaged")]
    Broken,
}

/// The media type of a preview, by its beginning: they are made here, of two kinds.
pub(crate) fn mime_type(preview: &[u8]) -> &'static str {
    if preview.starts_with(b"\x89PNG") { "image/png" } else { "image/jpeg" }
}

/// Makes a preview, on a thread where that stops nobody, and of few images at once.
pub(crate) async fn make(
    image: Bytes,
    mime_type: &str,
    at_once: &Arc<Semaphore>,
) -> Result<Bytes, PreviewError> {
    let Some(format) = ImageFormat::from_mime_type(mime_type) else {
        return Err(PreviewError::Broken);
    };
    // Closed by nobody.
    let Ok(permit) = Arc::clone(at_once).acquire_owned().await else {
        return Err(PreviewError::Broken);
    };
    let made = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        small(&image, format)
    });
    // A decoder that panics has met a broken image.
    made.await.unwrap_or(Err(PreviewError::Broken))
}

fn small(bytes: &[u8], format: ImageFormat) -> Result<Bytes, PreviewError> {
    // Sides are checked below, so that the answer can say what they are.
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|_| PreviewError::Broken)?;
    let (width, height) = decoder.dimensions();
    let too_large = PreviewError::TooLarge { width, height };
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS
        || width > MAX_SIDE
        || height > MAX_SIDE
        || decoder.total_bytes() > MAX_DECODED_BYTES
    {
        return Err(too_large);
    }
    let broken = |error: ImageError| match error {
        ImageError::Limits(_) => too_large.clone(),
        _ => PreviewError::Broken,
    };
    let orientation = decoder.orientation().map_err(broken)?;
    let image = DynamicImage::from_decoder(decoder).map_err(broken)?;
    let mut image = if width > SIDE || height > SIDE { image.thumbnail(SIDE, SIDE) } else { image };
    image.apply_orientation(orientation);
    encode(&image).map_err(|_| PreviewError::Broken)
}

fn encode(image: &DynamicImage) -> Result<Bytes, ImageError> {
    let mut bytes = Vec::new();
    if image.color().has_alpha() {
        image.to_rgba8().write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)?;
    } else {
        let encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
        image.to_rgb8().write_with_encoder(encoder)?;
    }
    Ok(bytes.into())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use image::{GenericImageView as _, Rgb, RgbImage, Rgba, RgbaImage};

    use super::*;

    fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        image.into().write_to(&mut Cursor::new(&mut bytes), format).unwrap();
        bytes
    }

    async fn preview(bytes: Vec<u8>, mime_type: &str) -> Result<Bytes, PreviewError> {
        make(bytes.into(), mime_type, &Arc::new(Semaphore::new(1))).await
    }

    #[tokio::test]
    async fn an_image_of_any_kind_becomes_a_small_one() {
        let photo = || RgbImage::from_pixel(800, 400, Rgb([200, 10, 10]));
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
            let small = preview(encoded(photo(), format), format.to_mime_type()).await.unwrap();
            let image = image::load_from_memory(&small).unwrap();
            assert_eq!(image.dimensions(), (640, 320), "{format:?}");
            let Rgba([red, green, ..]) = image.get_pixel(300, 100);
            assert!(red > 180 && green < 40, "{format:?}");
        }
    }

    #[tokio::test]
    async fn a_small_image_keeps_its_size_and_what_shows_through() {
        let icon = RgbaImage::from_pixel(20, 10, Rgba([0, 0, 0, 128]));
        let small = preview(encoded(icon, ImageFormat::Png), "image/png").await.unwrap();
        assert_eq!(mime_type(&small), "image/png");
        let image = image::load_from_memory(&small).unwrap();
        assert_eq!((image.dimensions(), image.get_pixel(0, 0).0[3]), ((20, 10), 128));
        let photo = RgbImage::from_pixel(20, 10, Rgb([1, 2, 3]));
        let small = preview(encoded(photo, ImageFormat::Png), "image/png").await.unwrap();
        assert_eq!(mime_type(&small), "image/jpeg");
    }

    #[tokio::test]
    async fn a_photo_is_turned_as_its_camera_was() {
        // A JPEG with an EXIF block that says: turned by 90 degrees.
        let jpeg = encoded(RgbImage::from_pixel(80, 40, Rgb([9, 9, 9])), ImageFormat::Jpeg);
        let exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
        let turned = [&jpeg[..2], b"\xff\xe1", &length, exif, &jpeg[2..]].concat();
        let small = preview(turned, "image/jpeg").await.unwrap();
        assert_eq!(image::load_from_memory(&small).unwrap().dimensions(), (40, 80));
    }

    /// A PNG that says how large it is, and has next to nothing in it.
    pub(crate) fn bomb(width: u32, height: u32) -> Vec<u8> {
        let mut png = encoded(RgbImage::new(1, 1), ImageFormat::Png);
        png[16..20].copy_from_slice(&width.to_be_bytes());
        png[20..24].copy_from_slice(&height.to_be_bytes());
        let checksum = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&checksum.to_be_bytes());
        png
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0_u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
            })
        })
    }

    #[tokio::test]
    async fn an_image_bomb_is_not_decoded() {
        for (width, height) in [(60_000, 60_000), (30_001, 1), (1, u32::MAX >> 1), (20_000, 20_000)]
        {
            let refused = preview(bomb(width, height), "image/png").await;
            assert_eq!(refused, Err(PreviewError::TooLarge { width, height }));
        }
        // As large as it may be, but without the pixels.
        assert_eq!(preview(bomb(2_000, 2_000), "image/png").await, Err(PreviewError::Broken));
    }

    #[tokio::test]
    async fn what_is_no_image_is_broken() {
        let png = encoded(RgbImage::new(100, 100), ImageFormat::Png);
        let cut = png[..png.len() / 2].to_vec();
        assert_eq!(preview(cut, "image/png").await, Err(PreviewError::Broken));
        for mime_type in ["image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"] {
            let refused = preview(b"not an image".to_vec(), mime_type).await;
            assert_eq!(refused, Err(PreviewError::Broken));
        }
    }
}
