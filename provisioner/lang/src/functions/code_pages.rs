//! Code pages of IBM: ASCII below, and what each page has above it.
//!
//! Names and aliases are those of the registry of character sets (IANA); the tables are those of the Unicode consortium.
//! Refuses to know: pages on EBCDIC, which nothing in a configuration is written in.

/// A code page: its names, in lower case, and the characters of the bytes from 0x80 on.
pub(super) struct CodePage {
    names: &'static [&'static str],
    upper: &'static str,
}

/// How many characters a page shares with ASCII.
const SHARED: u8 = 0x80;

impl CodePage {
    /// The page of a name, however its letters are written.
    pub(super) fn of(name: &str) -> Option<&'static Self> {
        let is_it = |page: &&Self| page.names.iter().any(|known| known.eq_ignore_ascii_case(name));
        PAGES.iter().find(is_it)
    }

    /// The bytes of a text; none if it has characters that the page does not have.
    pub(super) fn encode(&self, text: &str) -> Option<Vec<u8>> {
        let byte = |c: char| match u8::try_from(u32::from(c)) {
            Ok(byte) if byte < SHARED => Some(byte),
            _ => {
                let above = self.upper.chars().position(|other| other == c)?;
                Some(SHARED + u8::try_from(above).ok()?)
            }
        };
        text.chars().map(byte).collect()
    }

    /// The text of bytes; every byte is a character.
    pub(super) fn decode(&self, bytes: &[u8]) -> Option<String> {
        let upper: Vec<char> = self.upper.chars().collect();
        let character = |byte: &u8| match byte.checked_sub(SHARED) {
            None => Some(char::from(*byte)),
            Some(above) => upper.get(usize::from(above)).copied(),
        };
        bytes.iter().map(character).collect()
    }
}

static PAGES: [CodePage; 9] = [
    CodePage {
        names: &["ibm437", "cp437", "437", "cspc8codepage437"],
        upper: "\
            ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒ\
            áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
            └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
            αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}",
    },
    CodePage {
        names: &["ibm850", "cp850", "850", "cspc850multilingual"],
        upper: "\
            ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒ\
            áíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐\
            └┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀\
            ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}",
    },
    CodePage {
        names: &["ibm852", "cp852", "852", "cspcp852"],
        upper: "\
            ÇüéâäůćçłëŐőîŹÄĆÉĹĺôöĽľŚśÖÜŤťŁ×č\
            áíóúĄąŽžĘę¬źČş«»░▒▓│┤ÁÂĚŞ╣║╗╝Żż┐\
            └┴┬├─┼Ăă╚╔╩╦╠═╬¤đĐĎËďŇÍÎě┘┌█▄ŢŮ▀\
            ÓßÔŃńňŠšŔÚŕŰýÝţ´\u{ad}˝˛ˇ˘§÷¸°¨˙űŘř■\u{a0}",
    },
    CodePage {
        names: &["ibm855", "cp855", "855", "csibm855"],
        upper: "\
            ђЂѓЃёЁєЄѕЅіІїЇјЈљЉњЊћЋќЌўЎџЏюЮъЪ\
            аАбБцЦдДеЕфФгГ«»░▒▓│┤хХиИ╣║╗╝йЙ┐\
            └┴┬├─┼кК╚╔╩╦╠═╬¤лЛмМнНоОп┘┌█▄Пя▀\
            ЯрРсСтТуУжЖвВьЬ№\u{ad}ыЫзЗшШэЭщЩчЧ§■\u{a0}",
    },
    CodePage {
        names: &["ibm00858", "ccsid00858", "cp00858", "pc-multilingual-850+euro"],
        upper: "\
            ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒ\
            áíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐\
            └┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈ€ÍÎÏ┘┌█▄¦Ì▀\
            ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}",
    },
    CodePage {
        names: &["ibm860", "cp860", "860", "csibm860"],
        upper: "\
            ÇüéâãàÁçêÊèÍÔìÃÂÉÀÈôõòÚùÌÕÜ¢£Ù₧Ó\
            áíóúñÑªº¿Ò¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
            └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
            αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}",
    },
    CodePage {
        names: &["ibm862", "cp862", "862", "cspc862latinhebrew"],
        upper: "\
            \u{5d0}\u{5d1}\u{5d2}\u{5d3}\u{5d4}\u{5d5}\u{5d6}\u{5d7}\
            \u{5d8}\u{5d9}\u{5da}\u{5db}\u{5dc}\u{5dd}\u{5de}\u{5df}\
            \u{5e0}\u{5e1}\u{5e2}\u{5e3}\u{5e4}\u{5e5}\u{5e6}\u{5e7}\
            \u{5e8}\u{5e9}\u{5ea}¢£¥₧ƒ\
            áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
            └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
            αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}",
    },
    CodePage {
        names: &["ibm863", "cp863", "863", "csibm863"],
        upper: "\
            ÇüéâÂà¶çêëèïî‗À§ÉÈÊôËÏûù¤ÔÜ¢£ÙÛƒ\
            ¦´óú¨¸³¯Î⌐¬½¼¾«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
            └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
            αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}",
    },
    CodePage {
        names: &["ibm865", "cp865", "865", "csibm865"],
        upper: "\
            ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø₧ƒ\
            áíóúñÑªº¿⌐¬½¼¡«¤░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
            └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
            αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_byte_of_every_page_is_a_character_of_its_own() {
        let bytes: Vec<u8> = (0..=255).collect();
        for page in &PAGES {
            let text = page.decode(&bytes).unwrap();
            assert_eq!(text.chars().collect::<BTreeSet<_>>().len(), 256, "{:?}", page.names);
            assert_eq!(page.encode(&text).unwrap(), bytes, "{:?}", page.names);
        }
    }

    #[test]
    fn pages_have_names_in_any_case_and_refuse_what_they_lack() {
        let page = CodePage::of("Cp850").unwrap();
        assert_eq!(page.encode("é").unwrap(), [0x82]);
        assert_eq!(CodePage::of("IBM00858").unwrap().encode("€").unwrap(), [0xd5]);
        assert_eq!(page.encode("€"), None);
        assert!(CodePage::of("IBM037").is_none());
    }
}
