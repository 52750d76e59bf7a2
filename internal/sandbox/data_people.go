package sandbox

// person is a first name as a shop's customer would write it, and the Latin
// form that ends up in an e-mail address.
type person struct{ name, latin string }

func menNames() []person {
	return []person{
		{"محمد", "mohammed"},
		{"أحمد", "ahmed"},
		{"عبدالله", "abdullah"},
		{"عبدالرحمن", "abdulrahman"},
		{"خالد", "khalid"},
		{"سعد", "saad"},
		{"فهد", "fahad"},
		{"سلطان", "sultan"},
		{"تركي", "turki"},
		{"ناصر", "nasser"},
		{"بندر", "bandar"},
		{"ماجد", "majed"},
		{"يوسف", "yousef"},
		{"إبراهيم", "ibrahim"},
		{"عمر", "omar"},
		{"علي", "ali"},
		{"حسن", "hassan"},
		{"مشعل", "mishal"},
		{"نواف", "nawaf"},
		{"فيصل", "faisal"},
		{"طلال", "talal"},
		{"راكان", "rakan"},
		{"زياد", "ziad"},
		{"أنس", "anas"},
		{"صالح", "saleh"},
		{"Omar", "omar"},
		{"James", "james"},
		{"Adeel", "adeel"},
	}
}

func womenNames() []person {
	return []person{
		{"نورة", "noura"},
		{"سارة", "sara"},
		{"ريم", "reem"},
		{"هند", "hind"},
		{"منى", "mona"},
		{"العنود", "alanoud"},
		{"لطيفة", "latifa"},
		{"أمل", "amal"},
		{"هيفاء", "haifa"},
		{"مها", "maha"},
		{"دانة", "dana"},
		{"شهد", "shahad"},
		{"لمى", "lama"},
		{"جواهر", "jawaher"},
		{"رغد", "raghad"},
		{"آية", "aya"},
		{"فاطمة", "fatimah"},
		{"عائشة", "aisha"},
		{"مريم", "maryam"},
		{"خلود", "kholoud"},
		{"بشاير", "bashayer"},
		{"غادة", "ghada"},
		{"Sarah", "sarah"},
		{"Layla", "layla"},
	}
}

func familyNames() []person {
	return []person{
		{"العتيبي", "otaibi"},
		{"القحطاني", "qahtani"},
		{"الحربي", "harbi"},
		{"الغامدي", "ghamdi"},
		{"الزهراني", "zahrani"},
		{"الشهري", "shehri"},
		{"الدوسري", "dosari"},
		{"المطيري", "mutairi"},
		{"الشمري", "shammari"},
		{"العنزي", "anazi"},
		{"السبيعي", "subaie"},
		{"المالكي", "malki"},
		{"الأحمدي", "ahmadi"},
		{"باوزير", "bawazir"},
		{"الخالدي", "khalidi"},
		{"العمري", "amri"},
		{"الرشيد", "rasheed"},
		{"الفهد", "alfahad"},
		{"السالم", "salem"},
		{"الجهني", "juhani"},
		{"Khan", "khan"},
		{"Haddad", "haddad"},
		{"العلي", "alali"},
		{"النجار", "najjar"},
	}
}

func ownerNames() []string {
	return []string{"سعد المالك", "نورة الراشد", "خالد باسودان", "ريم العمودي", "Faisal Al-Harbi", "هند الجاسر"}
}

func storeNames() []string {
	return []string{
		"متجر الورد", "دار العود", "أناقة نجد", "بيت القهوة المختصة", "تمور الأحساء", "Riyadh Gadgets",
		"عالم الأطفال", "لمسة جمال", "مكتبة المعرفة", "ركن الهدايا", "Desert Bloom", "خيوط الحرير",
	}
}
